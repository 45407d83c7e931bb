// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"

#include <functional>
#include <ostream>
#include <vector>

namespace tessera::test {

/// One promise of every communicator; `check` runs on all ranks.
struct Contract {
  const char* name;
  void (*check)(comm::Communicator&);
};
inline std::ostream& operator<<(std::ostream& out, const Contract& contract) { return out << contract.name; }

/// Collectives, agreement, and messages between two ranks (which a single rank without a launcher has nobody for).
std::vector<Contract> collective_contracts();
std::vector<Contract> message_contracts();

}  // namespace tessera::test
