// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/cuda/detail/grid.hpp"

#include <bit>
#include <cstdint>

namespace tessera::kernels::cuda {

/// The bfloat16 nearest to a float, ties to even; NaN stays NaN.
TESSERA_HOST_DEVICE inline std::uint16_t to_bfloat16(float value) {
#if defined(__CUDA_ARCH__)
  const std::uint32_t bits = __float_as_uint(value);
#else
  const auto bits = std::bit_cast<std::uint32_t>(value);
#endif
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<std::uint16_t>((bits >> 16U) | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U);
}

/// One element of a copy without gaps, multiplied by the factor of its row.
struct ScaleElement {
  ConstTable from;
  const float* factors;
  float* out;
  std::size_t cols;
  TESSERA_HOST_DEVICE void operator()(std::size_t i, std::size_t c) const {
    out[i * cols + c] = factors[i] * from.row(i)[c];
  }
};

/// As above in bfloat16, and without factors if there are none.
struct RoundElement {
  ConstTable from;
  const float* factors;
  std::uint16_t* out;
  std::size_t cols;
  TESSERA_HOST_DEVICE void operator()(std::size_t i, std::size_t c) const {
    const float value = from.row(i)[c];
    out[i * cols + c] = to_bfloat16(factors == nullptr ? value : factors[i] * value);
  }
};

/// A weight times the factor of its query and tile.
struct TiledElement {
  ConstTable weights;
  ConstTable factors;
  std::size_t tile;
  std::size_t cols;
  template <Space kSpace>
  explicit TiledElement(const BasicTiledWeights<kSpace>& tiled)
      : weights(tiled.weights), factors(tiled.factors), tile(tiled.tile), cols(tiled.weights.cols) {}
  TESSERA_HOST_DEVICE float at(std::size_t i, std::size_t c) const {
    return factors.row(c / tile)[i] * weights.row(i)[c];
  }
};

struct ScaleTiledElement {
  TiledElement from;
  float* out;
  TESSERA_HOST_DEVICE void operator()(std::size_t i, std::size_t c) const { out[i * from.cols + c] = from.at(i, c); }
};

struct RoundTiledElement {
  TiledElement from;
  std::uint16_t* out;
  TESSERA_HOST_DEVICE void operator()(std::size_t i, std::size_t c) const {
    out[i * from.cols + c] = to_bfloat16(from.at(i, c));
  }
};

}  // namespace tessera::kernels::cuda
