// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command_line.hpp"
#include "cli/run_context.hpp"
#include "comm/communicator.hpp"
#include "search/row_mask.hpp"

#include <optional>
#include <string>

namespace tessera::cli {

/// What chooses entities: all that is given must hold. The option of each, for messages, is its prefix and its name:
/// "--" or "--heads-", and "where", "type" or "among".
struct EntityChoice {
  std::string prefix = "--";
  std::string where = {};  ///< a condition on attributes
  std::string type = {};   ///< a value of the attribute `type`
  std::string among = {};  ///< a file of names, one per line; "-" is standard input
  [[nodiscard]] bool is_given() const { return !where.empty() || !type.empty() || !among.empty(); }
};

/// Collective. The own entities that are chosen; none when nothing chooses. Throws AgreedError: kUsage for a condition
/// with a mistake, or when no entity of any rank is left; kMissingInput and kBadData for a file of names.
std::optional<search::RowMask> choose_entities(comm::Communicator& comm, const RunContext& context,
                                               const EntityChoice& choice);

/// Adds the options of a choice; `what` begins their help: "Answers".
void add_choice(const Parser& parser, EntityChoice& choice, const std::string& what);

}  // namespace tessera::cli
