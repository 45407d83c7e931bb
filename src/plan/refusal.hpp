// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plan/planner.hpp"

#include <string>

namespace tessera::plan {

/// A rank that is about to load its parts.
struct StartingRank {
  Stage stage;
  const PlannedRank& planned;
  Layout layout;
  const Node& node;
};

/// Throws Error(kOverBudget) when the rank would take more than its budget, with the bytes by purpose and what would
/// make it fit. Not collective.
void require_fit(const StartingRank& rank);

/// "the cheapest of: ...; or 4 ranks", without an end; empty when nothing helps.
std::string in_words(const Advice& advice);

}  // namespace tessera::plan
