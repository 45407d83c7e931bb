// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/planner.hpp"

#include "comm/planned/planned_communicator.hpp"
#include "core/error.hpp"
#include "plan/settings.hpp"
#include "train/loop/job_rules.hpp"
#include "train/loop/placement.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace tessera::plan {
namespace {

constexpr std::int32_t kPlannedAlone = 64;  // of more ranks, only the fullest by rows and by queries are planned

}  // namespace

graph::Placement Planner::placement(Stage stage, const Job& job, const Layout& layout) const {
  const std::uint32_t parts = sizes_.manifest.part_count();
  if (stage != Stage::kTrain) return {parts, layout.ranks};
  const auto comm = comm::make_planned_communicator({Rank(0), layout.ranks, layout.ranks_per_node});
  return train::give_out_parts(*comm, job, "cpu", [] { return 1.0; }).placement;
}

std::vector<Rank> Planner::ranks_to_plan(const graph::Placement& placement) const {
  std::vector<Rank> ranks;
  for (std::int32_t r = 0; r < placement.rank_count(); ++r) ranks.emplace_back(r);
  if (placement.rank_count() <= kPlannedAlone) return ranks;
  const auto sum = [&](Rank rank, std::uint64_t graph::PartFigures::*figure) {
    std::uint64_t total = 0;
    for (PartId part = placement.first_part(rank); part < placement.end_part(rank); ++part)
      total += sizes_.manifest.figures[part.index()].*figure;
    return total;
  };
  const auto fullest = [&](std::uint64_t graph::PartFigures::*figure) {
    return *std::max_element(ranks.begin(), ranks.end(),
                             [&](Rank a, Rank b) { return sum(a, figure) < sum(b, figure); });
  };
  return {fullest(&graph::PartFigures::rows), fullest(&graph::PartFigures::queries)};
}

StagePlan Planner::plan(Stage stage, const Job& job, const Layout& of_job) const {
  const Layout layout = stage == Stage::kExport ? Layout{} : of_job;
  const int on_host = std::min(layout.ranks, layout.ranks_per_node);
  StagePlan result{stage, Rank(0), {}, 0, node_.budget(job, on_host)};
  const graph::Placement places = placement(stage, job, layout);
  const std::vector<Rank> ranks = ranks_to_plan(places);
  std::vector<std::uint64_t> nodes(static_cast<std::size_t>(layout.nodes()));
  for (const Rank rank : ranks) {
    const RankPlan plan =
        plan_rank(stage, {job, sizes_, places, rank, on_host, node_.threads(job, on_host), result.budget.host_bytes,
                          items_, job.run.device == "cuda", exported_rows_});
    nodes[static_cast<std::size_t>(rank.value() / layout.ranks_per_node)] += plan.all_bytes();
    if (rank != ranks.front() && plan.pool_bytes() <= result.fullest.pool_bytes()) continue;
    result.rank = rank;
    result.fullest = plan;
  }
  result.node_bytes = layout.ranks <= kPlannedAlone
                          ? *std::max_element(nodes.begin(), nodes.end())
                          : result.fullest.all_bytes() * static_cast<std::uint64_t>(layout.ranks_per_node);
  return result;
}

std::optional<Layout> Planner::smallest(std::span<const Stage> stages, const Job& of_job, const Layout& layout) const {
  Job job = of_job;
  job.run.placement = "equal";
  const bool is_fixed = !job.run.memory.empty();  // then more ranks on a node have more together
  const std::int32_t step = is_fixed ? 1 : layout.ranks_per_node;
  const auto layout_of = [&](std::int32_t count) {
    return Layout{count * step, is_fixed ? std::min(count, layout.ranks_per_node) : layout.ranks_per_node};
  };
  const auto fits = [&](std::int32_t count) {
    return std::all_of(stages.begin(), stages.end(),
                       [&](Stage stage) { return plan(stage, job, layout_of(count)).fits(); });
  };
  std::int32_t low = 0;  // does not fit
  const std::uint32_t resident = job.memory.resident_parts == "auto" ? 0 : resident_parts(job);
  const std::uint32_t most = resident > 0 ? resident : sizes_.manifest.part_count();  // a part for each rank
  std::int32_t high = static_cast<std::int32_t>(most) / step;
  if (high == 0 || !fits(high)) return std::nullopt;
  while (high - low > 1) {
    const std::int32_t middle = low + (high - low) / 2;
    (fits(middle) ? high : low) = middle;
  }
  return layout_of(high);
}

std::vector<std::string> Planner::fitting_together(Stage stage, const Job& job, const Layout& layout,
                                                   const std::vector<Setting>& settings) const {
  const auto fits = [&](const std::vector<std::string>& tried) {
    const auto changed = changed_job(job, tried, layout.ranks);
    return changed && plan(stage, *changed, layout).fits();
  };
  std::vector<std::string> together;
  for (const Setting& setting : settings) {
    const std::string key = setting.text.substr(0, setting.text.find('=') + 1);
    std::erase_if(together, [&](const std::string& earlier) { return earlier.starts_with(key); });
    together.push_back(setting.text);
    if (!fits(together)) continue;
    for (std::size_t i = 0; i < together.size();) {  // some of the first may do too little
      std::vector<std::string> fewer = together;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
      if (fits(fewer))
        together = fewer;
      else
        ++i;
    }
    return together;
  }
  return {};
}

Advice Planner::advise(Stage stage, const Job& job, const Layout& layout) const {
  const StagePlan now = plan(stage, job, layout);
  const std::uint64_t bytes = now.fullest.needed_bytes();
  Advice advice;
  for (const Candidate& candidate : settings_to_try(stage, job)) {
    const auto changed = changed_job(job, {candidate.text}, layout.ranks);
    if (!changed) continue;
    const StagePlan then = plan(stage, *changed, layout);
    const std::uint64_t saved = bytes - std::min(bytes, then.fullest.needed_bytes());
    if (saved > 0) advice.settings.push_back({candidate.text, candidate.cost, saved, then.fits()});
  }
  const bool one_fits =
      std::any_of(advice.settings.begin(), advice.settings.end(), [](const Setting& setting) { return setting.fits; });
  if (!now.fits() && !one_fits) advice.together = fitting_together(stage, job, layout, advice.settings);
  if (!now.fits()) advice.smallest = smallest(std::array{stage}, job, layout);
  return advice;
}

}  // namespace tessera::plan
