// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace tessera::kernels {

/// The distance between rows of `cols` elements at which each row of a matrix begins at a multiple of 16 bytes, in
/// bfloat16 as in fp32: products on matrix units are several times slower otherwise.
constexpr std::size_t padded_stride(std::size_t cols) { return (cols + 7) / 8 * 8; }

}  // namespace tessera::kernels
