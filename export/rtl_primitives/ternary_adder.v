`timescale 1ns / 1ps

// out = (+-in0 * 2^PAD0 +- in1 * 2^PAD1 +- in2 * 2^PAD2) >> DROP_LSBS, to BW_OUT bits.
//
// Written by naetrigger in place of alkaid's module of this name and ports; inverted twice for the
// reason that stands in shift_adder.v.
module ternary_adder #(
    parameter BW_INPUT0 = 32,
    parameter SIGNED0 = 0,
    parameter NEGATE0 = 0,
    parameter PAD0 = 0,
    parameter BW_INPUT1 = 32,
    parameter SIGNED1 = 0,
    parameter NEGATE1 = 0,
    parameter PAD1 = 0,
    parameter BW_INPUT2 = 32,
    parameter SIGNED2 = 0,
    parameter NEGATE2 = 0,
    parameter PAD2 = 0,
    parameter BW_OUT = 32,
    parameter DROP_LSBS = 0
) (
    input [BW_INPUT0-1:0] in0,
    input [BW_INPUT1-1:0] in1,
    input [BW_INPUT2-1:0] in2,
    output [BW_OUT-1:0] out
);

  localparam BITS = BW_OUT + DROP_LSBS;

  // verilator lint_off WIDTH
  // verilator lint_off UNUSEDSIGNAL
  wire [BITS-1:0] a;
  wire [BITS-1:0] b;
  wire [BITS-1:0] c;
  wire [BITS-1:0] inverted;

  generate
    if (SIGNED0 == 1) begin : signed0
      assign a = $signed(in0) <<< PAD0;
    end else begin : unsigned0
      assign a = in0 << PAD0;
    end
    if (SIGNED1 == 1) begin : signed1
      assign b = $signed(in1) <<< PAD1;
    end else begin : unsigned1
      assign b = in1 << PAD1;
    end
    if (SIGNED2 == 1) begin : signed2
      assign c = $signed(in2) <<< PAD2;
    end else begin : unsigned2
      assign c = in2 << PAD2;
    end
    case ({NEGATE2 == 1, NEGATE1 == 1, NEGATE0 == 1})
      3'b000: begin : ppp
        assign inverted = ~(a + b + c);
      end
      3'b001: begin : npp
        assign inverted = ~(b + c - a);
      end
      3'b010: begin : pnp
        assign inverted = ~(a + c - b);
      end
      3'b011: begin : nnp
        assign inverted = ~(c - a - b);
      end
      3'b100: begin : ppn
        assign inverted = ~(a + b - c);
      end
      3'b101: begin : npn
        assign inverted = ~(b - a - c);
      end
      3'b110: begin : pnn
        assign inverted = ~(a - b - c);
      end
      default: begin : nnn
        assign inverted = a + b + c - 1'b1;  // ~(-x) = x - 1
      end
    endcase
  endgenerate

  assign out = ~inverted[BITS-1:DROP_LSBS];
  // verilator lint_on UNUSEDSIGNAL
  // verilator lint_on WIDTH

endmodule
