// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/backend.hpp"

#include "kernels/reference/families.hpp"

namespace tessera::kernels {

const Backend& reference_backend() {
  using namespace reference;
  static const Backend backend{"reference", scores(),      gradients(), softmax(), rows(),      updates(),
                               ranks(),     composition(), penalties(), targets(), statistics()};
  return backend;
}

}  // namespace tessera::kernels
