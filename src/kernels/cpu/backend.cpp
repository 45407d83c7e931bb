// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/backend.hpp"

#include "kernels/cpu/families.hpp"

namespace tessera::kernels {

const Backend& cpu_backend() {
  static const Backend backend{"cpu",       cpu::scores(),  cpu::gradients(), cpu::softmax(),
                               cpu::rows(), cpu::updates(), cpu::ranks()};
  return backend;
}

}  // namespace tessera::kernels
