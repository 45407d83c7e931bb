// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/dropout.hpp"

#include <Random123/philox.h>

namespace tessera::kernels::detail {

/// Multiplies the columns of row i from DropoutMask::kWords * block on; the words are those of RandomStream.
TESSERA_HOST_DEVICE inline void drop_block(const DropoutMask& mask, std::size_t i, std::size_t block, float* row,
                                           std::size_t dim) {
  const std::uint64_t counter = mask.first + i * mask.step + block;
  const r123::Philox4x32::ctr_type words =
      r123::Philox4x32{}({{static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32U),
                           mask.stream_low, mask.stream_high}},
                         {{mask.key_low, mask.key_high}});
  const std::size_t k = block * DropoutMask::kWords;
  row[k] *= mask.factor(words.v[0]);
  if (k + 1 < dim) row[k + 1] *= mask.factor(words.v[1]);
  if (k + 2 < dim) row[k + 2] *= mask.factor(words.v[2]);
  if (k + 3 < dim) row[k + 3] *= mask.factor(words.v[3]);
}

}  // namespace tessera::kernels::detail
