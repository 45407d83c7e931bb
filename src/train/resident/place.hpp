// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/matrix.hpp"
#include "memory/place.hpp"

namespace tessera::train {

using memory::Place;

}  // namespace tessera::train
