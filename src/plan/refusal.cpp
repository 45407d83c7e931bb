// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/refusal.hpp"

#include "core/error.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tessera::plan {

std::string in_words(const Advice& advice) {
  constexpr std::size_t kMost = 3;
  std::vector<std::string> words;
  for (const Setting& setting : advice.settings)
    if (setting.fits && words.size() < kMost)
      words.push_back(fmt::format("{} (saves {})", setting.text, text::bytes(setting.saves_bytes)));
  if (!advice.together.empty()) words.push_back(fmt::format("{}", fmt::join(advice.together, " ")));
  if (advice.smallest)
    words.push_back(advice.smallest->nodes() > 1
                        ? fmt::format("{} ranks on {} nodes", advice.smallest->ranks, advice.smallest->nodes())
                        : fmt::format("{} ranks", advice.smallest->ranks));
  return fmt::format("{}", fmt::join(words, ", or "));
}

void require_fit(const StartingRank& rank) {
  const PlannedRank& planned = rank.planned;
  const RankPlan plan = plan_rank(rank.stage, planned);
  if (plan.pool_bytes() <= planned.budget_bytes) return;
  const Planner planner(planned.sizes, planned.items, rank.node, planned.exported_rows);
  const std::string advice = in_words(planner.advise(rank.stage, planned.job, rank.layout));
  fail(ExitStatus::kOverBudget,
       "the memory budget of {} is too small: '{}' needs {} of each rank ({}). {}{}'tessera plan' says more",
       text::bytes(planned.budget_bytes), name(rank.stage), text::bytes(plan.pool_bytes()), plan.describe(),
       advice.empty() ? "Raise run.memory, or make more parts for more ranks; " : "This would fit: ",
       advice.empty() ? "" : advice + "; ");
}

}  // namespace tessera::plan
