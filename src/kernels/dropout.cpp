// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/dropout.hpp"

#include "kernels/detail/drop_block.hpp"

namespace tessera::kernels {

void DropoutMask::apply(std::size_t i, float* row, std::size_t dim) const {
  for (std::size_t block = 0; block < blocks(dim); ++block) detail::drop_block(*this, i, block, row, dim);
}

}  // namespace tessera::kernels
