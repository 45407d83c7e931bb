// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Per-target guard: Highway includes this file once for every instruction set.
#if defined(TESSERA_KERNELS_CPU_PROPAGATION_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_CPU_PROPAGATION_INL
#undef TESSERA_KERNELS_CPU_PROPAGATION_INL
#else
#define TESSERA_KERNELS_CPU_PROPAGATION_INL
#endif

#include "kernels/cpu/detail/simd_inl.hpp"
#include "kernels/propagation.hpp"

#include <array>
#include <cmath>

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

constexpr std::size_t kMapRows = 6;                                    // rows that are mapped at once
constexpr std::size_t kMapRegisters = HWY_TARGET == HWY_AVX2 ? 2 : 4;  // of outputs; AVX2 has 16 registers
constexpr std::size_t kPart = hn::MaxLanes(Part16());
using Double = hn::CappedTag<double, 8>;
using Single = hn::Rebind<float, Double>;  // as many lanes
constexpr std::size_t kDoubleLanes = hn::MaxLanes(Double());
constexpr std::size_t kSteps = kPanelColumns / kDoubleLanes;  // registers of a panel

HWY_INLINE Vec<Double> load_double(const float* from) { return hn::PromoteTo(Double(), hn::LoadU(Single(), from)); }

HWY_INLINE Vec<Double> fused_double(Vec<Double> a, Vec<Double> b, Vec<Double> c) {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
  HWY_ALIGN double lanes[3][kDoubleLanes];
  hn::Store(a, Double(), lanes[0]);
  hn::Store(b, Double(), lanes[1]);
  hn::Store(c, Double(), lanes[2]);
  for (std::size_t i = 0; i < kDoubleLanes; ++i) lanes[2][i] = std::fma(lanes[0][i], lanes[1][i], lanes[2][i]);
  return hn::Load(Double(), lanes[2]);
#else
  return hn::MulAdd(a, b, c);
#endif
}

HWY_INLINE void clear(Vec<Double>* sums) {
  HWY_UNROLL(16)
  for (std::size_t s = 0; s < kSteps; ++s) sums[s] = hn::Zero(Double());
}

HWY_INLINE void add_state(const float* state, Vec<Double>* sums) {
  HWY_UNROLL(16)
  for (std::size_t s = 0; s < kSteps; ++s) sums[s] = hn::Add(sums[s], load_double(state + s * kDoubleLanes));
}

HWY_INLINE void add_relation(const float* relation, const Vec<Double>* sums, Vec<Double>* all) {
  HWY_UNROLL(16)
  for (std::size_t s = 0; s < kSteps; ++s)
    all[s] = fused_double(load_double(relation + s * kDoubleLanes), sums[s], all[s]);
}

HWY_INLINE void store(const Vec<Double>* all, float* to) {
  HWY_UNROLL(16)
  for (std::size_t s = 0; s < kSteps; ++s) hn::StoreU(hn::DemoteTo(Single(), all[s]), Single(), to + s * kDoubleLanes);
}

/// The inputs of some rows: pieces of 16, each row's at `stride` elements from one another, in two matrices.
struct MapInputs {
  std::array<const float*, kMapRows> first;
  std::array<const float*, kMapRows> second;
  std::size_t first_stride;
  std::size_t second_stride;
  std::size_t first_pieces;
};

/// out[r][c] for kRegisters registers of outputs c, and all rows: one chain each.
template <std::size_t kRegisters>
HWY_INLINE void map_columns(const LinearWeights& weights, const MapInputs& in, std::size_t column, float* out) {
  const Full d;
  const std::size_t lanes = hn::Lanes(d);
  Vec<Full> chains[kMapRows][kRegisters];
  HWY_UNROLL(4)
  for (std::size_t j = 0; j < kRegisters; ++j) {
    chains[0][j] = hn::LoadU(d, weights.bias + column + j * lanes);
    HWY_UNROLL(5)
    for (std::size_t r = 1; r < kMapRows; ++r) chains[r][j] = chains[0][j];
  }
  const float* matrix = weights.matrix + column;
  for (std::size_t piece = 0; piece < weights.inputs / kPanelColumns; ++piece) {
    const bool is_first = piece < in.first_pieces;
    const float* rows[kMapRows];
    HWY_UNROLL(6)
    for (std::size_t r = 0; r < kMapRows; ++r)
      rows[r] = is_first ? in.first[r] + piece * in.first_stride
                         : in.second[r] + (piece - in.first_pieces) * in.second_stride;
    for (std::size_t k = 0; k < kPanelColumns; ++k, matrix += weights.outputs) {
      Vec<Full> w[kRegisters];
      HWY_UNROLL(4)
      for (std::size_t j = 0; j < kRegisters; ++j) w[j] = hn::LoadU(d, matrix + j * lanes);
      HWY_UNROLL(6)
      for (std::size_t r = 0; r < kMapRows; ++r) {
        const Vec<Full> x = hn::Set(d, rows[r][k]);
        HWY_UNROLL(4)
        for (std::size_t j = 0; j < kRegisters; ++j) chains[r][j] = fused(d, x, w[j], chains[r][j]);
      }
    }
  }
  HWY_UNROLL(6)
  for (std::size_t r = 0; r < kMapRows; ++r) HWY_UNROLL(4)
  for (std::size_t j = 0; j < kRegisters; ++j)
    hn::StoreU(chains[r][j], d, out + r * weights.outputs + column + j * lanes);
}

/// out [kMapRows, outputs].
HWY_INLINE void map_rows(const LinearWeights& weights, const MapInputs& in, float* out) {
  const std::size_t lanes = hn::Lanes(Full());
  std::size_t column = 0;
  for (; column + kMapRegisters * lanes <= weights.outputs; column += kMapRegisters * lanes)
    map_columns<kMapRegisters>(weights, in, column, out);
  for (; column < weights.outputs; column += lanes) map_columns<1>(weights, in, column, out);
}

template <class D>
HWY_INLINE Vec<D> relu(D d, Vec<D> value) {
  return hn::IfThenZeroElse(hn::Lt(value, hn::Zero(d)), value);
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
