// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/report.hpp"

#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace tessera::evaluate {
namespace {

using Json = nlohmann::ordered_json;
using text::with_thousands;

std::string what_was_ranked(const Evaluation& evaluation, const ReportOptions& options) {
  const Metrics& metrics = evaluation.metrics;
  std::string out =
      fmt::format("{} {} triples, {} queries, each target ranked among ", with_thousands(metrics.triples()),
                  graph::name(evaluation.split), with_thousands(metrics.all.queries));
  if (evaluation.options.type_constrained)
    out +=
        "the entities that the graph has at that end of the relation:\nAN EXTRA, NOT THE EXACT FIGURE; compare it only "
        "with figures of the same kind\n";
  else if (evaluation.options.among != nullptr)
    out += fmt::format(
        "the entities for which {}:\nAN EXTRA, NOT THE EXACT FIGURE; compare it only with figures of the same "
        "condition\n",
        evaluation.options.condition);
  else if (options.candidate_file.empty())
    out += fmt::format("all {} entities\n", with_thousands(metrics.entities));
  else
    out += fmt::format(
        "the candidates that '{}' lists for it:\nAN EXTRA, NOT THE EXACT FIGURE; compare it only with "
        "figures of the same list\n",
        options.candidate_file);
  out += fmt::format("known answers left out: {}; {:.1f} candidates on average remain\n",
                     name(evaluation.options.filter), metrics.mean_candidates);
  if (evaluation.epoch > 0) out += fmt::format("model after epoch {}\n", evaluation.epoch);
  if (evaluation.options.max_triples > 0)
    out += fmt::format("a sample of at most {} triples\n", with_thousands(evaluation.options.max_triples));
  return out;
}

std::string row(const char* title, const RankMetrics& means) {
  std::string out = fmt::format("  {:<24}{:>8.4f}", title, means.mrr);
  for (const double hits : means.hits) out += fmt::format("{:>9.4f}", hits);
  return out +
         fmt::format(" {:>11.2f} {:>9.2f}\n", means.mean_rank, means.geometric_mean_rank);  // apart, however large
}

std::string main_table(const Metrics& metrics) {
  std::string out = fmt::format("\n  {:<24}{:>8}", "ties", "MRR");
  for (const std::uint32_t k : kHitsAt) out += fmt::format("{:>9}", fmt::format("Hits@{}", k));
  out += fmt::format("{:>12}{:>10}\n", "mean rank", "geometric");
  return out + row("realistic", metrics.all[TieRule::kRealistic]) +
         row("  tail asked, (h, r, ?)", metrics.tail[TieRule::kRealistic]) +
         row("  head asked, (?, r, t)", metrics.head[TieRule::kRealistic]) +
         row("pessimistic", metrics.all[TieRule::kPessimistic]);
}

std::string uncertainty(const Evaluation& evaluation) {
  const RankMetrics& means = evaluation.metrics.all[TieRule::kRealistic];
  std::string out = fmt::format("\nMRR {:.4f}, standard error {:.4f}", means.mrr, means.mrr_standard_error);
  if (evaluation.bootstrap.resamples > 0)
    out += fmt::format("; {:g} % interval {:.4f} .. {:.4f} from {} bootstrap resamples of the triples",
                       100 * kConfidence, evaluation.mrr_interval.low, evaluation.mrr_interval.high,
                       with_thousands(evaluation.bootstrap.resamples));
  return out + fmt::format(
                   "\nadjusted for chance (0 guesses, 1 is perfect): MRR {:.4f}, mean rank index {:.4f}; "
                   "z: MRR {:.4g}, mean rank {:.4g}\n",
                   means.adjusted_mrr, means.adjusted_mean_rank_index, means.z_mrr, means.z_mean_rank);
}

/// "NAME" of a group as a table or JSON has it.
std::string title(Grouping grouping, std::uint64_t key, const ReportOptions& options) {
  switch (grouping) {
    case Grouping::kRelation: return options.relation_names.at(key);
    case Grouping::kClass: return name(static_cast<RelationClass>(key));
    case Grouping::kDegree: break;
  }
  if (key < 2) return fmt::format("{}", key);
  return fmt::format("{}-{}", first_degree(key), last_degree(key));
}

std::string group_table(const Evaluation& evaluation, Grouping grouping, const ReportOptions& options) {
  constexpr std::size_t kNarrowest = 10;
  const std::vector<Group>& groups = evaluation.groups[grouping];
  std::size_t columns = kNarrowest;
  for (const Group& group : groups) columns = std::max(columns, text::width(title(grouping, group.key, options)));
  const char* what = grouping == Grouping::kDegree ? "training degree of the target" : "relation";
  std::string out = fmt::format("\nby {}{}\n  {}{:>6}{:>10}{:>9}{:>9}{:>9}{:>9}{:>9}{:>12}{:>8}\n", what,
                                grouping == Grouping::kClass ? " class (1.5 answers or more in training are N)" : "",
                                std::string(columns, ' '), "asked", "queries", "MRR", "+-", "Hits@1", "Hits@3",
                                "Hits@10", "mean rank", "AMRI");
  for (const Group& group : groups) {
    std::string label = title(grouping, group.key, options);
    label += std::string(columns - text::width(label), ' ');
    for (const GroupSide side : kGroupSides) {
      const Group::Side& figures = group[side];
      if (figures.queries == 0) continue;
      const RankMetrics& means = figures.metrics;
      out +=
          fmt::format("  {}{:>6}{:>10}{:>9.4f}{:>9.4f}{:>9.4f}{:>9.4f}{:>9.4f}{:>12.2f}{:>8.4f}\n", label, name(side),
                      with_thousands(figures.queries), means.mrr, means.mrr_standard_error, means.hits_at(1),
                      means.hits_at(3), means.hits_at(10), means.mean_rank, means.adjusted_mean_rank_index);
      label.assign(columns, ' ');
    }
  }
  return out;
}

void put(Json& json, const RankMetrics& means) {
  for (const auto& [figure, value] : figures(means)) json[figure] = value;
}

Json json_of(const SideMetrics& side) {
  Json json = {{"queries", side.queries}, {"unseen_queries", side.unseen}};
  for (const TieRule rule : kTieRules) put(json[name(rule)], side[rule]);
  return json;
}

Json json_of(const Group& group, Grouping grouping, const Evaluation& evaluation, const ReportOptions& options) {
  Json json;
  json[name(grouping)] = title(grouping, group.key, options);
  if (grouping == Grouping::kRelation) json["class"] = name(evaluation.groups.relation_classes.at(group.key));
  if (grouping == Grouping::kDegree) json["first_degree"] = first_degree(group.key);
  if (grouping == Grouping::kDegree) json["last_degree"] = last_degree(group.key);
  for (const GroupSide side : kGroupSides) {
    Json& out = json[name(side)];
    out = {{"queries", group[side].queries}, {"mean_candidates", group[side].mean_candidates}};
    put(out, group[side].metrics);
  }
  return json;
}

Json json_of(const Interval& interval, const BootstrapOptions& bootstrap) {
  return {{"low", interval.low},
          {"high", interval.high},
          {"standard_error", interval.standard_error},
          {"confidence", kConfidence},
          {"resamples", bootstrap.resamples},
          {"seed", bootstrap.seed}};
}

}  // namespace

std::string to_text(const Evaluation& evaluation, const ReportOptions& options) {
  const Metrics& metrics = evaluation.metrics;
  std::string out = what_was_ranked(evaluation, options) + main_table(metrics) + uncertainty(evaluation);
  for (const Grouping grouping : options.by) out += group_table(evaluation, grouping, options);
  out += fmt::format("\n{} triples have an entity or a relation that training never saw; they are ranked and counted\n",
                     with_thousands(metrics.tail.unseen));
  return out +
         fmt::format("ranked in {}, digest of all ranks {}\n", text::duration(metrics.seconds), metrics.rank_digest);
}

std::string to_json(const Evaluation& evaluation, const ReportOptions& options) {
  const Metrics& metrics = evaluation.metrics;
  const bool listed = !options.candidate_file.empty();
  const std::string& condition = evaluation.options.condition;
  Json json = {{"split", graph::name(evaluation.split)},
               {"filter", name(evaluation.options.filter)},
               {"epoch", evaluation.epoch},
               {"max_triples", evaluation.options.max_triples},
               {"triples", metrics.triples()},
               {"exact", !listed && condition.empty()},
               {"candidate_set", listed              ? "listed"
                                 : condition.empty() ? "all entities"
                                                     : "condition"},
               {"candidate_file", listed ? Json(options.candidate_file) : Json()},
               {"candidate_digest", listed ? Json(evaluation.candidate_digest) : Json()},
               {"candidate_condition", condition.empty() ? Json() : Json(condition)},
               {"entities", metrics.entities},
               {"mean_candidates", metrics.mean_candidates},
               {"unseen_triples", metrics.tail.unseen},
               {"seconds", metrics.seconds},
               {"rank_digest", metrics.rank_digest},
               {"headline_tie_rule", name(TieRule::kRealistic)},
               {"mrr", metrics.mrr()}};
  if (evaluation.bootstrap.resamples > 0) json["mrr_interval"] = json_of(evaluation.mrr_interval, evaluation.bootstrap);
  json["all"] = json_of(metrics.all);
  json["tail"] = json_of(metrics.tail);
  json["head"] = json_of(metrics.head);
  for (const Grouping grouping : options.by) {
    Json groups = Json::array();
    for (const Group& group : evaluation.groups[grouping])
      groups.push_back(json_of(group, grouping, evaluation, options));
    json["by"][name(grouping)] = std::move(groups);
  }
  return json.dump();
}

}  // namespace tessera::evaluate
