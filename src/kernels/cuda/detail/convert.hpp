// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/cast.hpp"
#include "kernels/backend.hpp"
#include "kernels/bfloat16.hpp"
#include "kernels/cuda/detail/rows.hpp"
#include "kernels/padding.hpp"

#include <cstdint>
#include <type_traits>

namespace tessera::kernels::cuda {

/// An element of a padded copy in fp32 or in bfloat16 (rounded to nearest, ties to even; NaN stays NaN), multiplied by
/// the factor of its row and tile where it has one.
template <class To>
struct CopyElement {
  using Value = float;
  ConstTable from;
  ConstTable factors;
  std::uint32_t tile;  ///< 0 without factors. Columns are counted in 32 bits: a division in 64 is slow on a device.
  To* out;
  std::size_t stride;
  template <Space kSpace>
  CopyElement(const BasicTiledWeights<kSpace>& elements, To* to)
      : from(elements.weights),
        factors(elements.factors),
        tile(elements.factors.rows == 0 ? 0 : checked_cast<std::uint32_t>(elements.tile)),
        out(to),
        stride(padded_stride(elements.weights.cols)) {
    (void)checked_cast<std::uint32_t>(elements.weights.cols);
  }
  TESSERA_HOST_DEVICE float load(std::size_t i, std::size_t c) const {
    const float value = from.row(i)[c];
    return tile == 0 ? value : factors.row(static_cast<std::uint32_t>(c) / tile)[i] * value;
  }
  TESSERA_HOST_DEVICE void store(std::size_t i, std::size_t c, float value) const {
    if constexpr (std::is_same_v<To, float>)
      out[i * stride + c] = value;
    else
      out[i * stride + c] = to_bfloat16(value);
  }
};

/// Copies a matrix into rows that lie padded_stride(cols) apart; what is between the rows stays as it is.
template <class Launcher, class To>
void copy_elements(const Launcher& launch, const BasicTiledWeights<Launcher::kSpace>& elements, To* to) {
  launch_elements(launch, elements.weights.rows, elements.weights.cols, CopyElement<To>(elements, to));
}

}  // namespace tessera::kernels::cuda
