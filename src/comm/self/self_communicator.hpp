// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"

#include <memory>

namespace tessera::comm {

/// The only rank of a job that was not started by a launcher: every collective is a copy.
std::unique_ptr<Communicator> make_self_communicator();

}  // namespace tessera::comm
