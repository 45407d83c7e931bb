// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/best_rows.hpp"

namespace tessera::kernels::testing {

/// The best rows on device 0, as staged_backend() has the families of a backend.
const BestRows& staged_best_rows();

}  // namespace tessera::kernels::testing
