// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Per-target guard: Highway includes this file once for every instruction set.
#if defined(TESSERA_KERNELS_CPU_PAIR_PRODUCT_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_CPU_PAIR_PRODUCT_INL
#undef TESSERA_KERNELS_CPU_PAIR_PRODUCT_INL
#else
#define TESSERA_KERNELS_CPU_PAIR_PRODUCT_INL
#endif

#include "kernels/cpu/detail/pairs_inl.hpp"

#include <algorithm>

// The product of factors in pairs. Loops, from outside: blocks of steps, blocks of columns (panels of the right factor,
// packed, in the level-2 cache), blocks of rows (of the left factor, packed, there too), panels, pieces in registers.
// The panels and pieces are those of product_inl.hpp.
#if TESSERA_HAS_PAIRS
HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

/// Columns of the next panel: two registers, one or three where that ends the row.
HWY_INLINE std::size_t panel_columns(std::size_t rest) { return rest <= kMaxWidth ? rest : kPanelWidth; }
HWY_INLINE std::size_t panel_vectors(std::size_t columns) { return (columns + kLanes - 1) / kLanes; }

template <class Factor>
void advance_pairs(Factor left, const float* panel, std::size_t pairs, const Piece& out) {
  switch (panel_vectors(out.columns)) {
    case 1: return advance_panel<PairChain, 1>(left, panel, pairs, out);
    case 2: return advance_panel<PairChain, 2>(left, panel, pairs, out);
    default: return advance_panel<PairChain, 3>(left, panel, pairs, out);
  }
}

/// Steps of each block so that the blocks are nearly equal; a multiple of what is packed at once.
HWY_INLINE std::size_t pair_steps(std::size_t steps) {
  const std::size_t blocks = std::max<std::size_t>(1, (steps + 2 * kPairBlock - 1) / (2 * kPairBlock));
  return ((steps + blocks - 1) / blocks + 2 * kLanes - 1) / (2 * kLanes) * (2 * kLanes);
}

/// The block after `block`: further down, further right, further in steps; at the end the first one again.
template <class Left>
HWY_INLINE PairBlock next_block(const PairBlock& block, const PairBlock& whole) {
  const auto after = [](const Range& range, std::size_t size, const Range& all) {
    const std::size_t first = range.first + range.count == all.count ? 0 : range.first + range.count;
    return Range{first, std::min(size, all.count - first)};
  };
  PairBlock next = block;
  next.rows = after(block.rows, Left::kMostRows, whole.rows);
  if (next.rows.first == 0) next.columns = after(block.columns, kPairColumns, whole.columns);
  if (next.rows.first == 0 && next.columns.first == 0)
    next.steps = after(block.steps, pair_steps(whole.steps.count), whole.steps);
  return next;
}

/// Packs the panels of the right factor.
template <class Right>
void pack_panels(const Right& right, Range steps, Range columns, float* panel) {
  for (std::size_t j = 0, count = 0; j < columns.count; j += count) {
    count = panel_columns(columns.count - j);
    const std::size_t width = panel_vectors(count) * kLanes;
    right.pack({columns.first + j, count}, steps, panel, width);
    panel += pairs_of(steps.count) * width;
  }
}

/// Packs a block of the left factor and multiplies it with the panels.
template <class Left>
void multiply_block(const Left& left, const float* panel, const PairBlock& block, const PairBlock& next, Piece out) {
  HWY_ALIGN float memory[kPairBlock * kPairStride];
  const auto packed = left.pack(block.rows, block.steps, memory);
  const std::size_t pairs = pairs_of(block.steps.count);
  const std::size_t panels = std::max<std::size_t>(1, block.columns.count / kPanelWidth);
  std::size_t index = 0;
  out.data = out.row(block.rows.first) + block.columns.first;
  out.rows = block.rows.count;
  for (std::size_t rest = block.columns.count; rest > 0; rest -= out.columns) {
    out.columns = panel_columns(rest);
    advance_pairs(left.fetching(packed, next, {index++, panels}), panel, pairs, out);
    panel += pairs * panel_vectors(out.columns) * kLanes;
    out.data += out.columns;
  }
}

/// out[i][j] = chain over s of left(i, s) * right(s, j), both rounded to bfloat16; `steps` may be 0. Each element of
/// the right factor is packed once, each of the left one once for kPairColumns columns.
template <class Left, class Right>
void pair_product(const Left& left, const Right& right, std::size_t steps, Matrix out) {
  HWY_ALIGN float panels[kPairBlock * kPairColumns];
  if (out.rows == 0 || out.cols == 0) return;
  const PairBlock whole{{0, out.rows}, {0, out.cols}, {0, steps}};
  PairBlock block{{0, std::min(Left::kMostRows, out.rows)},
                  {0, std::min(kPairColumns, out.cols)},
                  {0, std::min(pair_steps(steps), steps)}};
  bool is_last = false;
  while (!is_last) {
    const PairBlock next = next_block<Left>(block, whole);
    const bool ends_steps = block.steps.first + block.steps.count == steps;
    is_last = ends_steps && next.rows.first == 0 && next.columns.first == 0;
    if (block.rows.first == 0) pack_panels(right, block.steps, block.columns, panels);
    multiply_block(left, panels, block, next,
                   Piece{out.data, out.stride, out.rows, out.cols, block.steps.first == 0, ends_steps});
    block = next;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();
#endif

#endif  // per-target guard
