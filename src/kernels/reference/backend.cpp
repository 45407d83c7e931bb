// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/backend.hpp"

#include "kernels/reference/families.hpp"

namespace tessera::kernels {

const Backend& reference_backend() {
  static const Backend backend{"reference",
                               reference::scores(),
                               reference::gradients(),
                               reference::softmax(),
                               reference::rows(),
                               reference::updates(),
                               reference::ranks(),
                               reference::composition(),
                               reference::penalties(),
                               reference::targets(),
                               reference::statistics(),
                               reference::negative_losses(),
                               reference::distances(),
                               reference::best_rows()};
  return backend;
}

}  // namespace tessera::kernels
