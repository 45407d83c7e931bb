// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Per-target guard: Highway includes this file once for every instruction set.
#if defined(TESSERA_KERNELS_CPU_PACK_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_CPU_PACK_INL
#undef TESSERA_KERNELS_CPU_PACK_INL
#else
#define TESSERA_KERNELS_CPU_PACK_INL
#endif

#include "kernels/cpu/detail/simd_inl.hpp"
#include "kernels/matrix.hpp"

#include <algorithm>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR  // which has no registers to shuffle
/// Four floats from each of rows[0], rows[4], rows[8] ... (as many as fill the register), at column c.
template <class D>
HWY_INLINE Vec<D> load_quads(D d, const float* const* rows, std::size_t c) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return hn::LoadU(d, rows[0] + c);
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, load_quads(half, rows + hn::MaxLanes(D()) / 2, c), load_quads(half, rows, c));
  }
}

/// panel[s * width + j] = rows[j][c + s] for s < 4 and as many j as a register has lanes.
template <class D>
HWY_INLINE void transpose_quads(D d, const float* const* rows, std::size_t c, float* panel, std::size_t width) {
  const hn::RepartitionToWide<D> wide;
  const Vec<D> r0 = load_quads(d, rows, c), r1 = load_quads(d, rows + 1, c);
  const Vec<D> r2 = load_quads(d, rows + 2, c), r3 = load_quads(d, rows + 3, c);
  const auto low01 = hn::BitCast(wide, hn::InterleaveLower(d, r0, r1));
  const auto low23 = hn::BitCast(wide, hn::InterleaveLower(d, r2, r3));
  const auto high01 = hn::BitCast(wide, hn::InterleaveUpper(d, r0, r1));
  const auto high23 = hn::BitCast(wide, hn::InterleaveUpper(d, r2, r3));
  hn::Store(hn::BitCast(d, hn::InterleaveLower(wide, low01, low23)), d, panel);
  hn::Store(hn::BitCast(d, hn::InterleaveUpper(wide, low01, low23)), d, panel + width);
  hn::Store(hn::BitCast(d, hn::InterleaveLower(wide, high01, high23)), d, panel + 2 * width);
  hn::Store(hn::BitCast(d, hn::InterleaveUpper(wide, high01, high23)), d, panel + 3 * width);
}
#endif

/// panel[s * width + j] = rows[j][s] for s < steps and j < lanes of a register.
HWY_INLINE void pack_lanes(const float* const* rows, std::size_t steps, float* panel, std::size_t width) {
  const Full d;
  std::size_t s = 0;
#if HWY_TARGET != HWY_SCALAR
  for (; s + 4 <= steps; s += 4) transpose_quads(d, rows, s, panel + s * width, width);
#endif
  for (; s < steps; ++s)
    for (std::size_t j = 0; j < hn::Lanes(d); ++j) panel[s * width + j] = rows[j][s];
}

/// The columns, or the steps, first .. first + count - 1 of a factor.
struct Range {
  std::size_t first;
  std::size_t count;
};

/// Brings `count` floats to the level-2 cache: the next panel, which would push the rows of this one out of level 1.
/// Rows are read many at a time, a pattern that hardware does not foresee.
HWY_INLINE void prefetch_to_level2(const float* from, std::size_t count) {
#if HWY_COMPILER_GCC
  constexpr std::size_t kCacheLine = 64 / sizeof(float);
  for (std::size_t c = 0; c < count; c += kCacheLine) __builtin_prefetch(from + c, 0, 2);
#else
  (void)from;
  (void)count;
#endif
}

/// A factor whose element (step, column) is source[column][step]: rows that are scored.
struct TransposedFactor {
  ConstMatrix source;

  /// panel[s * width + j] = element(steps.first + s, columns.first + j). Columns from columns.count up to `width`, a
  /// multiple of a register, repeat the last one.
  HWY_INLINE void pack(Range columns, Range steps, float* panel, std::size_t width) const {
    const float* rows[hn::MaxLanes(Full())];
    constexpr std::size_t kLanes = hn::MaxLanes(Full());
    for (std::size_t j = 0; j < width; j += kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        rows[lane] = source.row(columns.first + std::min(j + lane, columns.count - 1)) + steps.first;
        prefetch_to_level2(rows[lane] + width * source.stride, steps.count);
      }
      pack_lanes(rows, steps.count, panel + j, width);
    }
  }
};

/// panel[j] = factor * from[j]; columns from `count` up to `width` are zero.
HWY_INLINE void pack_scaled(const float* from, std::size_t count, float factor, float* panel, std::size_t width) {
  const Full d;
  std::size_t j = 0;
  for (; j + hn::Lanes(d) <= count; j += hn::Lanes(d))
    hn::Store(hn::Mul(hn::Set(d, factor), hn::LoadU(d, from + j)), d, panel + j);
  for (; j < width; ++j) panel[j] = j < count ? factor * from[j] : 0.0F;
}

/// A factor whose element (step, column) is factors[step] * source[step][column]: rows that are summed. Every factor is
/// one where there are none.
struct ScaledFactor {
  ConstMatrix source;
  const float* factors = nullptr;

  /// Packs as TransposedFactor::pack does, but columns from columns.count up to `width` are zero.
  HWY_INLINE void pack(Range columns, Range steps, float* panel, std::size_t width) const {
    for (std::size_t s = 0; s < steps.count; ++s) {
      const std::size_t step = steps.first + s;
      pack_scaled(source.row(step) + columns.first, columns.count, factors == nullptr ? 1.0F : factors[step],
                  panel + s * width, width);
    }
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
