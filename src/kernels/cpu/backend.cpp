// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/backend.hpp"

#include "kernels/cpu/families.hpp"
#include "kernels/reference/families.hpp"

namespace tessera::kernels {

namespace {

// Loops over a formula, or over single elements, are those of the reference.
Backend make_backend(const char* name, const Scores& scores, const Gradients& gradients) {
  return {name,
          scores,
          gradients,
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
}

}  // namespace

const Backend& cpu_backend() {
  static const Backend backend = make_backend("cpu", cpu::scores(), cpu::gradients());
  return backend;
}

const Backend& cpu_bfloat16_backend() {
  static const Backend backend = make_backend("cpu_bfloat16", cpu::bfloat16_scores(), cpu::bfloat16_gradients());
  return backend;
}

}  // namespace tessera::kernels
