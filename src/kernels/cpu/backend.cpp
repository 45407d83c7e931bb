// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/backend.hpp"

#include "kernels/cpu/families.hpp"
#include "kernels/reference/families.hpp"

namespace tessera::kernels {

const Backend& cpu_backend() {
  // Loops over a formula, or over single elements, are those of the reference.
  static const Backend backend{"cpu",
                               cpu::scores(),
                               cpu::gradients(),
                               cpu::softmax(),
                               cpu::rows(),
                               cpu::updates(),
                               cpu::ranks(),
                               reference::composition(),
                               reference::penalties(),
                               reference::targets(),
                               reference::statistics(),
                               reference::negative_losses(),
                               cpu::distances(),
                               reference::best_rows()};
  return backend;
}

}  // namespace tessera::kernels
