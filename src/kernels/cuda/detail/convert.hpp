// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/cast.hpp"
#include "kernels/backend.hpp"
#include "kernels/bfloat16.hpp"
#include "kernels/cuda/detail/grid.hpp"
#include "kernels/padding.hpp"

#include <cstdint>

namespace tessera::kernels::cuda {

/// One element of a copy whose rows are `stride` apart, multiplied by the factor of its row.
struct ScaleElement {
  using Value = float;
  ConstTable from;
  const float* factors;
  float* out;
  std::size_t stride;
  TESSERA_HOST_DEVICE float load(std::size_t i, std::size_t c) const { return factors[i] * from.row(i)[c]; }
  TESSERA_HOST_DEVICE void store(std::size_t i, std::size_t c, float value) const { out[i * stride + c] = value; }
};

/// As above in bfloat16, and without factors if there are none.
struct RoundElement {
  using Value = float;
  ConstTable from;
  const float* factors;
  std::uint16_t* out;
  std::size_t stride;
  TESSERA_HOST_DEVICE float load(std::size_t i, std::size_t c) const {
    const float value = from.row(i)[c];
    return factors == nullptr ? value : factors[i] * value;
  }
  TESSERA_HOST_DEVICE void store(std::size_t i, std::size_t c, float value) const {
    out[i * stride + c] = to_bfloat16(value);
  }
};

/// A weight times the factor of its query and tile.
struct TiledElement {
  ConstTable weights;
  ConstTable factors;
  std::uint32_t tile;  // columns and tiles are counted in 32 bits: a division in 64 is slow on a device
  std::size_t stride;
  template <Space kSpace>
  explicit TiledElement(const BasicTiledWeights<kSpace>& tiled)
      : weights(tiled.weights),
        factors(tiled.factors),
        tile(checked_cast<std::uint32_t>(tiled.tile)),
        stride(padded_stride(tiled.weights.cols)) {
    (void)checked_cast<std::uint32_t>(tiled.weights.cols);
  }
  TESSERA_HOST_DEVICE float at(std::size_t i, std::size_t c) const {
    return factors.row(static_cast<std::uint32_t>(c) / tile)[i] * weights.row(i)[c];
  }
};

struct ScaleTiledElement {
  using Value = float;
  TiledElement from;
  float* out;
  TESSERA_HOST_DEVICE float load(std::size_t i, std::size_t c) const { return from.at(i, c); }
  TESSERA_HOST_DEVICE void store(std::size_t i, std::size_t c, float value) const { out[i * from.stride + c] = value; }
};

struct RoundTiledElement {
  using Value = float;
  TiledElement from;
  std::uint16_t* out;
  TESSERA_HOST_DEVICE float load(std::size_t i, std::size_t c) const { return from.at(i, c); }
  TESSERA_HOST_DEVICE void store(std::size_t i, std::size_t c, float value) const {
    out[i * from.stride + c] = to_bfloat16(value);
  }
};

}  // namespace tessera::kernels::cuda
