// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Per-target guard: Highway includes this file once for every instruction set.
#if defined(TESSERA_KERNELS_CPU_PAIRS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_CPU_PAIRS_INL
#undef TESSERA_KERNELS_CPU_PAIRS_INL
#else
#define TESSERA_KERNELS_CPU_PAIRS_INL
#endif

#include "kernels/cpu/detail/product_inl.hpp"

#include <algorithm>
#include <cstdint>

// Products of factors in bfloat16. A pair is two neighbouring steps of a factor in 32 bits, moved as a float: the first
// step in the upper half. VDPBF16PS adds the product of the upper halves to the chain, then that of the lower ones,
// each with one rounding. So a chain takes its terms in index order, as every chain does; subnormal numbers count as 0.
#undef TESSERA_HAS_PAIRS
#if HWY_TARGET == HWY_AVX3 && HWY_COMPILER_GCC
#define TESSERA_HAS_PAIRS 1
#else
#define TESSERA_HAS_PAIRS 0
#endif

#if TESSERA_HAS_PAIRS
HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

constexpr std::size_t kPairBlock = 128;    ///< 256 steps: a full panel is 16 KiB
constexpr std::size_t kPairColumns = 256;  ///< panels of 128 KiB in the level-2 cache
/// Distance between the rows of a packed left factor: an odd number of cache lines, so that they use all sets.
constexpr std::size_t kPairStride = kPairBlock + 16;

/// 32 floats as bfloat16, rounded to nearest, ties to even: `low` in the lower half of the register.
HWY_INLINE __m512i to_bfloat16_lanes(Vec<Full> high, Vec<Full> low) {
  __m512i out;
  // An instruction that no target of Highway 1.0 has. Only processors that have it come here.
  asm("vcvtne2ps2bf16 %2, %1, %0" : "=v"(out) : "v"(high.raw), "v"(low.raw));  // NOLINT(hicpp-no-assembler)
  return out;
}

struct PairChain {
  static HWY_INLINE Vec<Full> step(Vec<Full> a, Vec<Full> b, Vec<Full> sum) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum.raw) : "v"(a.raw), "v"(b.raw));  // NOLINT(hicpp-no-assembler)
    return sum;
  }
  static HWY_INLINE Vec<Full> finish(Vec<Full> sum) { return sum; }
};

/// The first `count` lanes from memory, zeros behind them; nothing else is read.
HWY_INLINE Vec<Full> load_first(const float* from, std::size_t count) {
  const Full d;
  return count >= kLanes ? hn::LoadU(d, from) : hn::MaskedLoad(hn::FirstN(d, count), d, from);
}

/// Pairs (first[j], second[j]).
HWY_INLINE Vec<Full> interleave_pairs(Vec<Full> first, Vec<Full> second) {
  alignas(64) static constexpr std::uint16_t kOrder[2 * kLanes] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                                   21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                                   11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const __m512i order = _mm512_load_si512(kOrder);
  return Vec<Full>{_mm512_castsi512_ps(_mm512_permutexvar_epi16(order, to_bfloat16_lanes(first, second)))};
}

/// to[k] = pair (from[2 k], from[2 k + 1]) for all of `count` floats; an odd count ends with a zero. Writes whole
/// registers.
HWY_INLINE void pack_row(const float* from, std::size_t count, float* to) {
  const Full d;
  for (std::size_t s = 0; s < count; s += 2 * kLanes) {
    const Vec<Full> low = load_first(from + s, count - s);
    const Vec<Full> high = count - s > kLanes ? load_first(from + s + kLanes, count - s - kLanes) : hn::Zero(d);
    const __m512i values = to_bfloat16_lanes(high, low);
    hn::StoreU(Vec<Full>{_mm512_castsi512_ps(_mm512_rol_epi32(values, 16))}, d, to + s / 2);
  }
}

/// to[j] = pair (first[j], second[j]) for j < count, and zeros up to a full register. `second` may be null: zeros.
HWY_INLINE void pack_columns(const float* first, const float* second, std::size_t count, float* to) {
  const Full d;
  for (std::size_t j = 0; j < count; j += kLanes) {
    const Vec<Full> low = second == nullptr ? hn::Zero(d) : load_first(second + j, count - j);
    hn::StoreU(interleave_pairs(load_first(first + j, count - j), low), d, to + j);
  }
}

HWY_INLINE std::size_t pairs_of(std::size_t steps) { return (steps + 1) / 2; }

// ---- the left factor

/// The rows, columns and steps that are multiplied at once.
struct PairBlock {
  Range rows;
  Range columns;
  Range steps;
};

/// Memory that the next block packs, kLines cache lines of each row. Its lines come to the level-2 cache while this
/// block is multiplied: each piece of the product fetches one with every step.
template <std::size_t kLines>
struct NextBlock {
  const float* data;
  std::size_t stride;
  HWY_INLINE void prefetch(std::size_t s) const {
    __builtin_prefetch(data + s / kLines * stride + s % kLines * (64 / sizeof(float)), 0, 2);
  }
  /// What the piece at row i fetches: other lines than the piece before.
  HWY_INLINE NextBlock from(std::size_t i) const { return {data + i * (kPairBlock / kLines / 2) / 8 * stride, stride}; }
};

/// A packed factor that fetches lines besides.
template <class Packed, class Next>
struct FetchingFactor {
  Packed packed;
  Next next;
  HWY_INLINE const float* at(std::size_t i, std::size_t s) const { return packed.at(i, s); }
  HWY_INLINE void prefetch(std::size_t i, std::size_t s) const {
    packed.prefetch(i, s);
    next.prefetch(s);
  }
  HWY_INLINE FetchingFactor from(std::size_t i, std::size_t s) const { return {packed.from(i, s), next.from(i)}; }
};

/// Rows of a matrix, pairs along the row. kFetches: they come from memory, not from a cache.
template <bool kFetches>
struct PairedRows {
  static constexpr std::size_t kMostRows = 112;  // eight pieces, 64 KiB beside the panels
  ConstMatrix source;

  /// Packs rows.count x steps.count elements.
  HWY_INLINE RowFactor pack(Range rows, Range steps, float* memory) const {
    for (std::size_t i = 0; i < rows.count; ++i)
      pack_row(source.row(rows.first + i) + steps.first, steps.count, memory + i * kPairStride);
    return {memory, kPairStride};
  }
  /// The packed factor with what is fetched while panel `share.first` of `share.count` is multiplied.
  HWY_INLINE auto fetching(RowFactor packed, const PairBlock& next, Range share) const {
    if constexpr (kFetches) {
      const std::size_t row = next.rows.first + next.rows.count * share.first / share.count;
      const NextBlock<2 * kPairBlock / 16> lines{source.row(row) + next.steps.first, source.stride};
      return FetchingFactor<RowFactor, decltype(lines)>{packed, lines};
    } else {
      (void)next, (void)share;
      return packed;
    }
  }
};

/// Columns of a matrix, pairs of neighbouring rows.
struct PairedColumns {
  static constexpr std::size_t kMostRows = kPairBlock;  // whole cache lines of the source
  ConstMatrix source;

  HWY_INLINE ColumnFactor pack(Range rows, Range steps, float* memory) const {
    for (std::size_t s = 0; s < steps.count; s += 2) {
      const float* first = source.row(steps.first + s) + rows.first;
      const float* second = s + 1 < steps.count ? first + source.stride : nullptr;
      pack_columns(first, second, rows.count, memory + s / 2 * kPairStride);
    }
    return {memory, kPairStride};
  }
  HWY_INLINE auto fetching(ColumnFactor packed, const PairBlock& next, Range share) const {
    const std::size_t step = next.steps.first + next.steps.count * share.first / share.count;
    const NextBlock<kMostRows / 16> lines{source.row(step) + next.rows.first, source.stride};
    return FetchingFactor<ColumnFactor, decltype(lines)>{packed, lines};
  }
};

// ---- the right factor

/// A factor whose element (step, column) is source[column][step].
struct PairedTransposed {
  ConstMatrix source;

  /// panel[k * width + j] = pair k of the steps of column columns.first + j. Columns from columns.count up to `width`
  /// repeat the last one.
  HWY_INLINE void pack(Range columns, Range steps, float* panel, std::size_t width) const {
    HWY_ALIGN float packed[kLanes * kPairStride];
    const float* rows[kLanes];
    for (std::size_t j = 0; j < width; j += kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        float* row = packed + lane * kPairStride;
        pack_row(source.row(columns.first + std::min(j + lane, columns.count - 1)) + steps.first, steps.count, row);
        rows[lane] = row;
      }
      pack_lanes(rows, pairs_of(steps.count), panel + j, width);
    }
  }
};

/// A factor whose element (step, column) is factors[step] * source[step][column], rounded twice; without factors
/// source[step][column].
struct PairedScaled {
  ConstMatrix source;
  const float* factors = nullptr;

  HWY_INLINE Vec<Full> load(std::size_t step, std::size_t column, std::size_t count) const {
    const Vec<Full> values = load_first(source.row(step) + column, count);
    return factors == nullptr ? values : hn::Mul(hn::Set(Full(), factors[step]), values);
  }

  HWY_INLINE void pack(Range columns, Range steps, float* panel, std::size_t width) const {
    const Full d;
    for (std::size_t s = 0; s < steps.count; s += 2)
      for (std::size_t j = 0; j < width; j += kLanes) {
        const std::size_t count = columns.count > j ? columns.count - j : 0;
        const std::size_t step = steps.first + s;
        const Vec<Full> second = s + 1 < steps.count ? load(step + 1, columns.first + j, count) : hn::Zero(d);
        hn::Store(interleave_pairs(load(step, columns.first + j, count), second), d, panel + s / 2 * width + j);
      }
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();
#endif

#endif  // per-target guard
