// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/run_context.hpp"
#include "search/row_mask.hpp"

#include <optional>
#include <string>

namespace tessera::cli {

/// Collective. The own rows for which a condition on attributes holds; nothing for an empty condition. `option` is for
/// messages. Throws AgreedError: kUsage, also when it holds for no entity of the graph; kBadData, kMissingInput.
std::optional<search::RowMask> choose_candidates(comm::Communicator& comm, const RunContext& context,
                                                 const std::string& option, const std::string& condition);

}  // namespace tessera::cli
