// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/transport.hpp"

namespace tessera::train {

using comm::RankTransport;

}  // namespace tessera::train
