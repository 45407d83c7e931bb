// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Per-target guard: Highway includes this file once for every instruction set.
#if defined(TESSERA_KERNELS_CPU_SIMD_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_CPU_SIMD_INL
#undef TESSERA_KERNELS_CPU_SIMD_INL
#else
#define TESSERA_KERNELS_CPU_SIMD_INL
#endif

#include <hwy/highway.h>

#include <cmath>
#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Full = hn::ScalableTag<float>;      ///< a whole register
using Few = hn::CappedTag<float, 4>;      ///< four lanes, for what is left at the end of a row
using One = hn::CappedTag<float, 1>;      ///< one lane, for what is left then
using Part16 = hn::CappedTag<float, 16>;  ///< a piece of the 16 fixed lanes of a reduction
template <class D>
using Vec = hn::Vec<D>;

constexpr std::size_t kFixedLanes = 16;
constexpr std::size_t kParts = kFixedLanes / hn::MaxLanes(Part16());  ///< registers that hold the 16 lanes

/// a * b + c with one rounding, on every target.
template <class D>
HWY_INLINE Vec<D> fused(D d, Vec<D> a, Vec<D> b, Vec<D> c) {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
  HWY_ALIGN float lanes[3][hn::MaxLanes(D())];
  hn::Store(a, d, lanes[0]);
  hn::Store(b, d, lanes[1]);
  hn::Store(c, d, lanes[2]);
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) lanes[2][i] = std::fma(lanes[0][i], lanes[1][i], lanes[2][i]);
  return hn::Load(d, lanes[2]);
#else
  (void)d;
  return hn::MulAdd(a, b, c);
#endif
}

/// Runs body(tag, first) for every column of a row: whole registers, then a few lanes, then lane by lane.
template <class Body>
HWY_INLINE void for_columns(std::size_t columns, const Body& body) {
  const Full full;
  std::size_t c = 0;
  for (; c + hn::Lanes(full) <= columns; c += hn::Lanes(full)) body(full, c);
  if constexpr (hn::MaxLanes(Full()) > hn::MaxLanes(Few()))
    for (; c + hn::Lanes(Few()) <= columns; c += hn::Lanes(Few())) body(Few(), c);
  for (; c < columns; ++c) body(One(), c);
}

/// Sum of all lanes as a binary tree: lane l and l + half, then within the half.
template <class D>
HWY_INLINE float sum_tree(D d, Vec<D> v) {
  if constexpr (hn::MaxLanes(D()) == 1) {
    (void)d;
    return hn::GetLane(v);
  } else {
#if HWY_TARGET != HWY_SCALAR  // which has no halves
    const hn::Half<D> half;
    return sum_tree(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
#endif
  }
}

/// The 16 fixed lanes of a reduction, added as the same binary tree.
HWY_INLINE float sum_parts(Vec<Part16>* parts) {
  for (std::size_t width = kParts / 2; width > 0; width /= 2)
    for (std::size_t p = 0; p < width; ++p) parts[p] = hn::Add(parts[p], parts[p + width]);
  return sum_tree(Part16(), parts[0]);
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
