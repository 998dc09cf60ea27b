// The auction of training/assignment.py (Bertsekas 1988) with explicit vectors, in float32.
//
// costs: (n, width), width a multiple of 64 and padded with a huge cost. On return owner[j] is the
// row of column j and prices are such that every row is within `last` of its best offer.
// Gives 1, or 0 after max_bids * n bids.

#include <algorithm>
#include <cstdint>
#include <vector>

namespace {

typedef float Vec __attribute__((vector_size(64)));
typedef float Loose __attribute__((vector_size(64), aligned(4)));  // wherever an array begins
constexpr int LANES = 16;
constexpr int BLOCK = 64;
constexpr float NEVER = 3e38f;

inline Vec smaller(Vec a, Vec b) { return a < b ? a : b; }
inline Vec larger(Vec a, Vec b) { return a < b ? b : a; }

inline Vec sum(const float *a, const float *b) {
  return *reinterpret_cast<const Loose *>(a) + *reinterpret_cast<const Loose *>(b);
}

// The first column whose cost + price is `offer`.
int64_t column_of(float offer, const float *costs, const float *prices, int64_t width) {
  for (int64_t at = 0; at < width; at += BLOCK) {
    int here = 0;
    for (int j = 0; j < BLOCK; j++) here |= costs[at + j] + prices[at + j] == offer;
    if (here)
      for (int j = 0; j < BLOCK; j++)
        if (costs[at + j] + prices[at + j] == offer) return at + j;
  }
  return 0;
}

struct Bid {
  float best, second;
  int64_t column;
};

// The least and second least of cost + price over one row.
Bid bid_of(const float *costs, const float *prices, int64_t width) {
  Vec least = {};
  least = least + NEVER;
  Vec next = least, spare = least, spare_next = least;  // two chains of comparisons at a time
  for (int64_t at = 0; at < width; at += 2 * LANES) {
    const Vec offer = sum(costs + at, prices + at);
    const Vec other = sum(costs + at + LANES, prices + at + LANES);
    next = smaller(next, larger(least, offer));
    least = smaller(least, offer);
    spare_next = smaller(spare_next, larger(spare, other));
    spare = smaller(spare, other);
  }
  next = smaller(smaller(next, spare_next), larger(least, spare));
  least = smaller(least, spare);
  Bid bid = {NEVER, NEVER, 0};
  for (int lane = 0; lane < LANES; lane++) {
    if (least[lane] < bid.best) {
      bid.second = std::min(bid.best, next[lane]);
      bid.best = least[lane];
    } else {
      bid.second = std::min(bid.second, least[lane]);
    }
  }
  bid.column = column_of(bid.best, costs, prices, width);
  return bid;
}

}  // namespace

extern "C" int auction(const float *costs, int64_t n, int64_t width, double first, double last,
                       double ratio, int64_t max_bids, int64_t *owner, float *prices) {
  std::fill(prices, prices + width, 0.0f);
  std::vector<int64_t> queue(n);
  int64_t bids = 0;
  for (double epsilon = first;;) {
    std::fill(owner, owner + width, int64_t{-1});
    for (int64_t i = 0; i < n; i++) queue[i] = n - 1 - i;
    int64_t waiting = n;
    const float step = static_cast<float>(epsilon);
    while (waiting > 0) {
      if (++bids > max_bids * n) return 0;
      const int64_t row = queue[--waiting];
      const Bid bid = bid_of(costs + row * width, prices, width);
      prices[bid.column] += (bid.second - bid.best) + step;
      const int64_t loser = owner[bid.column];
      owner[bid.column] = row;
      if (loser >= 0) queue[waiting++] = loser;
    }
    if (epsilon <= last) return 1;
    epsilon = std::max(epsilon / ratio, last);
    const float cheapest = *std::min_element(prices, prices + n);
    for (int64_t j = 0; j < width; j++) prices[j] -= cheapest;
  }
}
