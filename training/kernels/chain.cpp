// Langevin chains of Linear/ReLU autoencoders, fused: the formulas of training/chain.py.
// REAL is float or double.
//
// Rows are walked in tiles through all steps, so a tile's activations stay in the cache; the
// adjoint makes them again from the stored points instead of keeping them. Inside a tile numbers
// lie feature by feature, a tile's rows together, so one weight is multiplied to all of them at a time.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#ifndef REAL
#define REAL float
#endif

namespace {

typedef REAL Real;
typedef Real Vec __attribute__((vector_size(64)));
constexpr int LANES = 64 / sizeof(Real);
constexpr int VECS = 2;  // of one feature of a tile
constexpr int ROWS = VECS * LANES;
constexpr int SLOTS = 8;  // steps whose weight gradients are summed at once
#ifdef __AVX512F__
constexpr int BLOCK = 8;  // outputs at once: as many accumulators as there are registers for
#else
constexpr int BLOCK = 4;
#endif

struct Layer {
  int in, out;
  bool relu;
  const Real *weight;                // (out, in)
  const Real *bias;                  // (out,)
  std::vector<Real> transposed;      // (in, out)
};

struct Net {
  std::vector<Layer> layers;
  int features;
  int width;  // of all layers' inputs together, and the last output
  Real scale;  // c of the formulas

  Net(int n, const int *widths, const int *relu, const Real *const *weights,
      const Real *const *biases)
      : layers(n), features(widths[0]), width(widths[0]), scale(Real(2) / widths[0]) {
    for (int l = 0; l < n; l++) {
      Layer &layer = layers[l];
      layer = {widths[l], widths[l + 1], relu[l] != 0, weights[l], biases[l], {}};
      layer.transposed.resize(static_cast<size_t>(layer.in) * layer.out);
      for (int o = 0; o < layer.out; o++)
        for (int i = 0; i < layer.in; i++)
          layer.transposed[i * layer.out + o] = layer.weight[o * layer.in + i];
      width += layer.out;
    }
  }
};

struct Freed {
  void operator()(Vec *p) const { std::free(p); }
};
using Memory = std::unique_ptr<Vec, Freed>;

Memory allocate(size_t vecs) {
  void *p = std::aligned_alloc(sizeof(Vec), std::max<size_t>(vecs, 1) * sizeof(Vec));
  if (p == nullptr) std::abort();
  std::memset(p, 0, vecs * sizeof(Vec));
  return Memory(static_cast<Vec *>(p));
}

// `count` outputs of y = w x + b from row `o` on; no bias where b is null.
template <int count>
inline void some_outputs(const Real *w, const Real *b, int in, const Vec *x, Vec *y) {
  Vec sum[count][VECS];
  for (int q = 0; q < count; q++)
    for (int m = 0; m < VECS; m++) {
      Vec zero = {};
      sum[q][m] = b ? zero + b[q] : zero;
    }
  for (int i = 0; i < in; i++)
    for (int q = 0; q < count; q++) {
      const Real factor = w[q * in + i];
      for (int m = 0; m < VECS; m++) sum[q][m] += x[i * VECS + m] * factor;
    }
  for (int q = 0; q < count; q++)
    for (int m = 0; m < VECS; m++) y[q * VECS + m] = sum[q][m];
}

void linear(const Real *w, const Real *b, int out, int in, const Vec *x, Vec *y) {
  int o = 0;
  for (; o + BLOCK <= out; o += BLOCK)
    some_outputs<BLOCK>(w + o * in, b ? b + o : nullptr, in, x, y + o * VECS);
  for (; o < out; o++) some_outputs<1>(w + o * in, b ? b + o : nullptr, in, x, y + o * VECS);
}

// A gate that is not a number lets through, so that NaN stays NaN as it does in torch.
inline Vec where_positive(Vec value, Vec gate) {
  Vec zero = {};
  return gate <= zero ? zero : value;
}

inline void through_relu(const Layer &layer, const Vec *value, const Vec *gate, Vec *to) {
  for (int i = 0; i < layer.out * VECS; i++)
    to[i] = layer.relu ? where_positive(value[i], gate[i]) : value[i];
}

// What one step keeps for the weight gradients.
struct Pass {
  std::vector<Vec *> h;  // inputs of every layer, then the output
  std::vector<Vec *> v;  // behind every layer's activation, going back from r
  std::vector<Vec *> t;  // tangents of the adjoint, going forward
  std::vector<Vec *> s;  // its pass back
};

struct Scratch {
  Memory memory;
  std::vector<Pass> slots;
  Vec *gradient, *adjoint, *u, *a, *b;

  Scratch(const Net &net, int n_slots) {
    const int layers = static_cast<int>(net.layers.size());
    int widest = net.features;
    for (const Layer &layer : net.layers) widest = std::max(widest, layer.out);
    const size_t a_slot = 4 * static_cast<size_t>(net.width) * VECS;
    memory = allocate(n_slots * a_slot + 5 * static_cast<size_t>(widest) * VECS);
    Vec *next = memory.get();
    auto take = [&next](int features) {
      Vec *taken = next;
      next += static_cast<size_t>(features) * VECS;
      return taken;
    };
    slots.resize(n_slots);
    for (Pass &pass : slots) {
      for (auto *list : {&pass.h, &pass.t}) {
        list->push_back(take(net.features));
        for (int l = 0; l < layers; l++) list->push_back(take(net.layers[l].out));
      }
      for (auto *list : {&pass.v, &pass.s})
        for (int l = 0; l < layers; l++) list->push_back(take(net.layers[l].out));
    }
    gradient = take(widest);
    adjoint = take(widest);
    u = take(widest);
    a = take(widest);
    b = take(widest);
  }
};

// Sends `value` from behind the last layer to the input; keeps what stands behind each activation.
const Vec *backwards(const Net &net, const Vec *value, const std::vector<Vec *> &h,
                     const std::vector<Vec *> &kept, Scratch &scratch) {
  for (int l = static_cast<int>(net.layers.size()) - 1; l >= 0; l--) {
    const Layer &layer = net.layers[l];
    through_relu(layer, value, h[l + 1], kept[l]);
    Vec *to = (l & 1) ? scratch.a : scratch.b;
    linear(layer.transposed.data(), nullptr, layer.in, layer.out, kept[l], to);
    value = to;
  }
  return value;
}

// grad E at the tile in pass.h[0], into scratch.gradient; fills pass.h and pass.v.
void energy_gradient(const Net &net, Pass &pass, Scratch &scratch) {
  const int layers = static_cast<int>(net.layers.size());
  for (int l = 0; l < layers; l++) {
    const Layer &layer = net.layers[l];
    linear(layer.weight, layer.bias, layer.out, layer.in, pass.h[l], pass.h[l + 1]);
    if (layer.relu)
      for (int i = 0; i < layer.out * VECS; i++)
        pass.h[l + 1][i] = where_positive(pass.h[l + 1][i], pass.h[l + 1][i]);
  }
  Vec *r = scratch.u;
  for (int i = 0; i < net.features * VECS; i++) r[i] = pass.h[0][i] - pass.h[layers][i];
  const Vec *back = backwards(net, r, pass.h, pass.v, scratch);
  for (int i = 0; i < net.features * VECS; i++)
    scratch.gradient[i] = (r[i] - back[i]) * net.scale;
}

void load(const Real *rows, int count, int features, Vec *tile) {
  Real *to = reinterpret_cast<Real *>(tile);
  for (int row = 0; row < count; row++)
    for (int i = 0; i < features; i++) to[i * ROWS + row] = rows[row * features + i];
}

void store(const Vec *tile, int count, int features, Real *rows) {
  const Real *from = reinterpret_cast<const Real *>(tile);
  for (int row = 0; row < count; row++)
    for (int i = 0; i < features; i++) rows[row * features + i] = from[i * ROWS + row];
}

Real total(Vec v) {
  Real sum = 0;
  for (int lane = 0; lane < LANES; lane++) sum += v[lane];
  return sum;
}

// gradient[o, i] += factor * sum over slots and rows of left[o] right[i], a block of it.
template <int OUT, int IN>
inline void outer_block(const Vec *const *left, const Vec *const *right, int slots, int o, int i,
                        int in, Real factor, Real *gradient) {
  Vec sum[OUT][IN] = {};
  for (int slot = 0; slot < slots; slot++) {
    const Vec *x = left[slot] + o * VECS, *y = right[slot] + i * VECS;
    for (int m = 0; m < VECS; m++)
      for (int q = 0; q < OUT; q++)
        for (int p = 0; p < IN; p++) sum[q][p] += x[q * VECS + m] * y[p * VECS + m];
  }
  for (int q = 0; q < OUT; q++)
    for (int p = 0; p < IN; p++) gradient[(o + q) * in + i + p] += factor * total(sum[q][p]);
}

void outer(const Vec *const *left, const Vec *const *right, int slots, const Layer &layer,
           Real factor, Real *gradient) {
  constexpr int SIDE = 4;
  for (int o = 0; o < layer.out;) {
    const bool tall = layer.out - o >= SIDE;
    for (int i = 0; i < layer.in;) {
      const bool wide = layer.in - i >= SIDE;
      auto *block = tall ? (wide ? outer_block<SIDE, SIDE> : outer_block<SIDE, 1>)
                         : (wide ? outer_block<1, SIDE> : outer_block<1, 1>);
      block(left, right, slots, o, i, layer.in, factor, gradient);
      i += wide ? SIDE : 1;
    }
    o += tall ? SIDE : 1;
  }
}

void add_weight_gradients(const Net &net, const Scratch &scratch, int slots, Real eta,
                          Real *const *weight_gradients, Real *const *bias_gradients) {
  const Vec *left[SLOTS], *right[SLOTS];
  for (size_t l = 0; l < net.layers.size(); l++) {
    const Layer &layer = net.layers[l];
    for (int k = 0; k < slots; k++) left[k] = scratch.slots[k].s[l], right[k] = scratch.slots[k].h[l];
    outer(left, right, slots, layer, eta, weight_gradients[l]);
    for (int o = 0; o < layer.out; o++) {
      Vec sum = {};
      for (int k = 0; k < slots; k++)
        for (int m = 0; m < VECS; m++) sum += left[k][o * VECS + m];
      bias_gradients[l][o] += eta * total(sum);
    }
    for (int k = 0; k < slots; k++) left[k] = scratch.slots[k].v[l], right[k] = scratch.slots[k].t[l];
    outer(left, right, slots, layer, eta * net.scale, weight_gradients[l]);
  }
}

// The adjoint of one step at the tile in pass.h[0]: scratch.adjoint becomes that of the point before.
void adjoint_step(const Net &net, Pass &pass, Scratch &scratch, Real eta) {
  const int layers = static_cast<int>(net.layers.size());
  energy_gradient(net, pass, scratch);
  std::memcpy(pass.t[0], scratch.adjoint, net.features * VECS * sizeof(Vec));
  for (int l = 0; l < layers; l++) {
    const Layer &layer = net.layers[l];
    linear(layer.weight, nullptr, layer.out, layer.in, pass.t[l], pass.t[l + 1]);
    through_relu(layer, pass.t[l + 1], pass.h[l + 1], pass.t[l + 1]);
  }
  for (int i = 0; i < net.features * VECS; i++)
    scratch.u[i] = (scratch.adjoint[i] - pass.t[layers][i]) * net.scale;
  const Vec *back = backwards(net, scratch.u, pass.h, pass.s, scratch);
  for (int i = 0; i < net.features * VECS; i++)
    scratch.adjoint[i] -= eta * (scratch.u[i] - back[i]);
}

}  // namespace

extern "C" {

// points: (steps + 1, batch, features), its first entry given, the others filled.
// noise: (steps, batch, features), already scaled. eta: step size over temperature.
void chain_forward(int n_layers, const int *widths, const int *relu, const Real *const *weights,
                   const Real *const *biases, int64_t batch, int steps, Real eta, Real low,
                   Real high, const Real *noise, Real *points) {
  const Net net(n_layers, widths, relu, weights, biases);
  Scratch scratch(net, 1);
  Pass &pass = scratch.slots[0];
  const int features = net.features;
  const int64_t slab = batch * features;
  Memory shaken = allocate(static_cast<size_t>(features) * VECS);
  Vec lowest = {}, highest = {};
  lowest = lowest + low;
  highest = highest + high;
  for (int64_t first = 0; first < batch; first += ROWS) {
    const int count = static_cast<int>(std::min<int64_t>(ROWS, batch - first));
    load(points + first * features, count, features, pass.h[0]);
    for (int k = 0; k < steps; k++) {
      energy_gradient(net, pass, scratch);
      load(noise + k * slab + first * features, count, features, shaken.get());
      for (int i = 0; i < features * VECS; i++) {
        Vec x = pass.h[0][i] + shaken.get()[i] - eta * scratch.gradient[i];
        x = x < lowest ? lowest : x;
        pass.h[0][i] = x > highest ? highest : x;
      }
      store(pass.h[0], count, features, points + (k + 1) * slab + first * features);
    }
  }
}

// adjoint: (batch, features), of the last points; becomes that of the first. Gradients are added.
void chain_backward(int n_layers, const int *widths, const int *relu, const Real *const *weights,
                    const Real *const *biases, int64_t batch, int steps, Real eta, Real low,
                    Real high, const Real *points, Real *adjoint,
                    Real *const *weight_gradients, Real *const *bias_gradients) {
  const Net net(n_layers, widths, relu, weights, biases);
  Scratch scratch(net, SLOTS);
  const int features = net.features;
  const int64_t slab = batch * features;
  for (int64_t first = 0; first < batch; first += ROWS) {
    const int count = static_cast<int>(std::min<int64_t>(ROWS, batch - first));
    std::memset(scratch.adjoint, 0, features * VECS * sizeof(Vec));
    load(adjoint + first * features, count, features, scratch.adjoint);
    Real *rows = reinterpret_cast<Real *>(scratch.adjoint);
    int slots = 0;
    for (int k = steps - 1; k >= 0; k--) {
      Pass &pass = scratch.slots[slots];
      const Real *before = points + k * slab + first * features;
      const Real *after = before + slab;
      load(before, count, features, pass.h[0]);
      for (int row = 0; row < count; row++)  // where a step was cut at the box nothing passes
        for (int i = 0; i < features; i++) {
          const Real end = after[row * features + i];
          if (end <= low || end >= high) rows[i * ROWS + row] = 0;
        }
      adjoint_step(net, pass, scratch, eta);
      if (++slots == SLOTS || k == 0) {
        add_weight_gradients(net, scratch, slots, eta, weight_gradients, bias_gradients);
        slots = 0;
      }
    }
    store(scratch.adjoint, count, features, adjoint + first * features);
  }
}
}
