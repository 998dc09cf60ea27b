`timescale 1ns / 1ps

// out = (in0 * 2^max(-SHIFT1, 0) +- in1 * 2^max(SHIFT1, 0)) >> DROP_LSBS, to BW_OUT bits.
//
// Written by naetrigger in place of alkaid's module of this name and ports. The sum is inverted
// twice, which every tool removes: without that, yosys joins adders behind one another into one sum
// of many terms by carry-save adders, which has more LUTs and is deeper than the tree of adders.
module shift_adder #(
    parameter BW_INPUT0 = 32,
    parameter BW_INPUT1 = 32,
    parameter SIGNED0 = 0,
    parameter SIGNED1 = 0,
    parameter BW_OUT = 32,
    parameter DROP_LSBS = 0,
    parameter SHIFT1 = 0,
    parameter IS_SUB = 0
) (
    input [BW_INPUT0-1:0] in0,
    input [BW_INPUT1-1:0] in1,
    output [BW_OUT-1:0] out
);

  localparam BITS = BW_OUT + DROP_LSBS;
  localparam LEFT0 = (SHIFT1 < 0) ? -SHIFT1 : 0;
  localparam LEFT1 = (SHIFT1 > 0) ? SHIFT1 : 0;
  localparam APART = (IS_SUB == 0) && ((SIGNED0 == 0 && LEFT1 >= BW_INPUT0)
                                       || (SIGNED1 == 0 && LEFT0 >= BW_INPUT1));

  // verilator lint_off WIDTH
  // verilator lint_off UNUSEDSIGNAL
  wire [BITS-1:0] a;
  wire [BITS-1:0] b;
  wire [BITS-1:0] inverted;

  generate
    if (SIGNED0 == 1) begin : signed0
      assign a = $signed(in0) <<< LEFT0;
    end else begin : unsigned0
      assign a = in0 << LEFT0;
    end
    if (SIGNED1 == 1) begin : signed1
      assign b = $signed(in1) <<< LEFT1;
    end else begin : unsigned1
      assign b = in1 << LEFT1;
    end
    if (APART) begin : no_bits_in_common
      assign inverted = ~(a | b);
    end else if (IS_SUB == 1) begin : difference
      assign inverted = ~(a - b);
    end else begin : sum
      assign inverted = ~(a + b);
    end
  endgenerate

  assign out = ~inverted[BITS-1:DROP_LSBS];
  // verilator lint_on UNUSEDSIGNAL
  // verilator lint_on WIDTH

endmodule
