// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Per-target guard: Highway includes this file once for every instruction set.
#if defined(TESSERA_KERNELS_CPU_PRODUCT_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_CPU_PRODUCT_INL
#undef TESSERA_KERNELS_CPU_PRODUCT_INL
#else
#define TESSERA_KERNELS_CPU_PRODUCT_INL
#endif

#include "kernels/cpu/detail/pack_inl.hpp"
#include "kernels/cpu/detail/simd_inl.hpp"
#include "kernels/matrix.hpp"

#include <hwy/cache_control.h>

#include <algorithm>
#include <array>
#include <utility>

// A product is out[i][j] = finish(chain over s of step(left(i, s), right(s, j))). Loops, from outside: blocks of steps
// (out holds the unfinished chains between them), blocks of rows (the part of the left factor that stays in the level-2
// cache), panels of columns (packed, in the level-1 cache), pieces of kMaxRows rows (in registers). None of this
// changes a chain, so none of it changes a bit.
HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

constexpr std::size_t kLanes = hn::MaxLanes(Full());
constexpr std::size_t kMaxVectors = 3;  // only where a product ends: full panels have two registers of columns
constexpr std::size_t kPanelWidth = 2 * kLanes;
constexpr std::size_t kMaxWidth = kMaxVectors * kLanes;

/// The most rows of a piece with `vectors` registers of columns that the registers of the target hold.
constexpr std::size_t max_rows([[maybe_unused]] std::size_t vectors) {
#if HWY_TARGET == HWY_AVX2
  return vectors == 3 ? 4 : 6;  // of 16 registers, 12 hold chains
#elif HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
  return 2;
#else
  return vectors == 3 ? 9 : 14;  // of 32 registers, 27 or 28 hold chains
#endif
}

constexpr std::size_t kStepBlock = 128;  // a full panel is 16 KiB with AVX-512
constexpr std::size_t kRowBlock = 1024;  // 512 KiB of the left factor

struct DotChain {
  static HWY_INLINE Vec<Full> step(Vec<Full> a, Vec<Full> b, Vec<Full> sum) { return fused(Full(), a, b, sum); }
  static HWY_INLINE Vec<Full> finish(Vec<Full> sum) { return sum; }
};

struct NegativeL1Chain {
  static HWY_INLINE Vec<Full> step(Vec<Full> a, Vec<Full> b, Vec<Full> sum) {
    return hn::Add(sum, hn::Abs(hn::Sub(a, b)));
  }
  static HWY_INLINE Vec<Full> finish(Vec<Full> sum) { return hn::Neg(sum); }
};

struct NegativeL2Chain {
  static HWY_INLINE Vec<Full> step(Vec<Full> a, Vec<Full> b, Vec<Full> sum) {
    const Vec<Full> difference = hn::Sub(a, b);
    return fused(Full(), difference, difference, sum);
  }
  static HWY_INLINE Vec<Full> finish(Vec<Full> sum) { return hn::Neg(hn::Sqrt(sum)); }
};

/// A left factor with left(i, s) = data[i * stride + s].
struct RowFactor {
  const float* data;
  std::size_t stride;
  HWY_INLINE const float* at(std::size_t i, std::size_t s) const { return data + i * stride + s; }
  /// Fetches one cache line with every step, and so all lines of kStepBlock / 8 rows within a block of steps.
  HWY_INLINE void prefetch(std::size_t i, std::size_t s) const {
    constexpr std::size_t kLines = kStepBlock * sizeof(float) / 64;
    hwy::Prefetch(at(i + s / kLines, s % kLines * (64 / sizeof(float))));
  }
  HWY_INLINE RowFactor from(std::size_t i, std::size_t s) const { return {at(i, s), stride}; }
};

/// A left factor with left(i, s) = data[s * stride + i].
struct ColumnFactor {
  const float* data;
  std::size_t stride;
  HWY_INLINE const float* at(std::size_t i, std::size_t s) const { return data + s * stride + i; }
  HWY_INLINE void prefetch(std::size_t i, std::size_t s) const { hwy::Prefetch(at(i, s)); }
  HWY_INLINE ColumnFactor from(std::size_t i, std::size_t s) const { return {at(i, s), stride}; }
};

/// A part of the output, and whether its chains begin or end with the steps of this call.
struct Piece {
  float* data;
  std::size_t stride;
  std::size_t rows;
  std::size_t columns;
  bool first;
  bool last;
  HWY_INLINE float* row(std::size_t i) const { return data + i * stride; }
};

/// Prefetches the piece's memory before it is written.
template <std::size_t kRows, std::size_t kVectors>
HWY_INLINE void prefetch_piece(const Piece& out) {
#if HWY_COMPILER_GCC
  constexpr std::size_t kCacheLine = 64 / sizeof(float);
  HWY_UNROLL(16)
  for (std::size_t i = 0; i < kRows; ++i)
    for (std::size_t c = 0; c < kVectors * kLanes; c += kCacheLine) __builtin_prefetch(out.row(i) + c, 1);
#else
  (void)out;
#endif
}

/// kRows x (kVectors registers) chains through `steps` steps.
template <class Chain, class Left, std::size_t kRows, std::size_t kVectors>
void advance_piece(Left left, const float* HWY_RESTRICT panel, std::size_t steps, const Piece& out) {
  const Full d;
  Vec<Full> sums[kRows][kVectors];
  HWY_UNROLL(16)
  for (std::size_t i = 0; i < kRows; ++i) HWY_UNROLL(16)
  for (std::size_t v = 0; v < kVectors; ++v)
    sums[i][v] = out.first ? hn::Zero(d) : hn::LoadU(d, out.row(i) + v * kLanes);
  if (out.first) prefetch_piece<kRows, kVectors>(out);
  for (std::size_t s = 0; s < steps; ++s) {
    left.prefetch(2 * kRows, s);  // two pieces further down
    Vec<Full> right[kVectors];
    HWY_UNROLL(16)
    for (std::size_t v = 0; v < kVectors; ++v) right[v] = hn::Load(d, panel + (s * kVectors + v) * kLanes);
    HWY_UNROLL(16)
    for (std::size_t i = 0; i < kRows; ++i) {
      const Vec<Full> value = hn::Set(d, *left.at(i, s));
      HWY_UNROLL(16)
      for (std::size_t v = 0; v < kVectors; ++v) sums[i][v] = Chain::step(value, right[v], sums[i][v]);
    }
  }
  HWY_UNROLL(16)
  for (std::size_t i = 0; i < kRows; ++i) HWY_UNROLL(16)
  for (std::size_t v = 0; v < kVectors; ++v)
    hn::StoreU(out.last ? Chain::finish(sums[i][v]) : sums[i][v], d, out.row(i) + v * kLanes);
}

template <class Left>
using AdvancePiece = void (*)(Left, const float*, std::size_t, const Piece&);

/// advance_piece for 1, 2, 3 ... rows.
template <class Chain, class Left, std::size_t kVectors, std::size_t... kIndex>
constexpr std::array<AdvancePiece<Left>, sizeof...(kIndex)> pieces_by_rows(std::index_sequence<kIndex...>) {
  return {&advance_piece<Chain, Left, kIndex + 1, kVectors>...};
}

/// Copies a row of `columns` floats; nothing outside of them is touched.
HWY_INLINE void copy_columns(const float* from, float* to, std::size_t columns) {
  for_columns(columns, [=](auto d, std::size_t c) HWY_ATTR { hn::StoreU(hn::LoadU(d, from + c), d, to + c); });
}

/// Advances a piece whose last register is not full: it goes through a buffer.
template <class Left>
void advance_edge(AdvancePiece<Left> advance, Left left, const float* panel, std::size_t steps, const Piece& out) {
  HWY_ALIGN float buffer[max_rows(2) * kMaxWidth];
  Piece whole = out;
  whole.data = buffer;
  whole.stride = kMaxWidth;
  if (!out.first)
    for (std::size_t i = 0; i < out.rows; ++i) copy_columns(out.row(i), whole.row(i), out.columns);
  advance(left, panel, steps, whole);
  for (std::size_t i = 0; i < out.rows; ++i) copy_columns(whole.row(i), out.row(i), out.columns);
}

/// Advances the rows of `out` by one packed panel of kVectors registers. The rows are cut into pieces of nearly equal
/// height.
template <class Chain, std::size_t kVectors, class Left>
void advance_panel(Left left, const float* panel, std::size_t steps, const Piece& out) {
  constexpr std::size_t kMaxRows = max_rows(kVectors);
  static constexpr auto kAdvance = pieces_by_rows<Chain, Left, kVectors>(std::make_index_sequence<kMaxRows>());
  const std::size_t count = (out.rows + kMaxRows - 1) / kMaxRows;
  Piece target = out;
  std::size_t i = 0;
  for (std::size_t piece = 0; piece < count; ++piece) {
    target.rows = out.rows / count + (piece < out.rows % count ? 1 : 0);
    if (out.columns == kVectors * kLanes)
      kAdvance[target.rows - 1](left.from(i, 0), panel, steps, target);
    else
      advance_edge<Left>(kAdvance[target.rows - 1], left.from(i, 0), panel, steps, target);
    i += target.rows;
    target.data = out.row(i);
  }
}

/// Packs and multiplies one panel of columns of `out`.
template <class Chain, std::size_t kVectors, class Left, class Right>
void advance_columns(Left left, const Right& right, Range steps, Piece out, Range columns) {
  HWY_ALIGN float panel[kStepBlock * kVectors * kLanes];
  right.pack(columns, steps, panel, kVectors * kLanes);
  out.data += columns.first;
  out.columns = columns.count;
  advance_panel<Chain, kVectors>(left, panel, steps.count, out);
}

/// All panels of one block of rows and steps: two registers wide, the last one or three where that ends the row.
template <class Chain, class Left, class Right>
void advance_block(Left left, const Right& right, Range steps, Piece out) {
  std::size_t count = 0;
  for (std::size_t j = 0; j < out.columns; j += count) {
    const std::size_t rest = out.columns - j;
    count = rest <= kMaxWidth ? rest : kPanelWidth;
    if (count <= kLanes)
      advance_columns<Chain, 1>(left, right, steps, out, {j, count});
    else if (count <= kPanelWidth)
      advance_columns<Chain, 2>(left, right, steps, out, {j, count});
    else
      advance_columns<Chain, 3>(left, right, steps, out, {j, count});
  }
}

/// Steps of each block so that the blocks are nearly equal; a multiple of 4, which packing likes.
HWY_INLINE std::size_t steps_per_block(std::size_t steps) {
  const std::size_t blocks = std::max<std::size_t>(1, (steps + kStepBlock - 1) / kStepBlock);
  return ((steps + blocks - 1) / blocks + 3) / 4 * 4;
}

/// The product described above; `steps` may be 0.
template <class Chain, class Left, class Right>
void product(Left left, const Right& right, std::size_t steps, Matrix out) {
  const std::size_t most = steps_per_block(steps);
  std::size_t s = 0;
  do {
    const std::size_t block_steps = std::min(most, steps - s);
    const bool first = s == 0;
    const bool last = s + block_steps == steps;
    for (std::size_t i = 0; i < out.rows; i += kRowBlock)
      advance_block<Chain>(left.from(i, s), right, {s, block_steps},
                           Piece{out.row(i), out.stride, std::min(kRowBlock, out.rows - i), out.cols, first, last});
    s += block_steps;
  } while (s < steps);
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
