// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/config.hpp"
#include "core/text.hpp"
#include "memory/tag.hpp"
#include "report/report.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace tessera::report {
namespace {

using Json = nlohmann::ordered_json;
using evaluate::Grouping;

Json json_of(const evaluate::Interval& interval) {
  return {{"low", interval.low}, {"high", interval.high}, {"standard_error", interval.standard_error}};
}

Json json_of(const evaluate::GroupMean& mean) {
  return {{"queries", mean.queries}, {"mean", mean.mean}, {"interval", json_of(mean.interval)}};
}

Json settings_of(Job job) {
  ConfigWriter writer;
  visit(job, writer);
  Json out = Json::object();
  for (const ConfigLine& line : writer.lines()) out[line.key] = line.value;
  return out;
}

Json state_of(const RunFigures& run) {
  if (!run.state) return {};
  return {{"epochs", run.state->epoch},
          {"of_epochs", run.job.train.epochs},
          {"finished", run.state->finished},
          {"best_epoch", run.state->best_epoch},
          {"best_validation_mrr", run.state->best_mrr}};
}

Json data_of(const RunFigures& run) {
  if (!run.data) return {};
  Json out = {{"entities", run.data->entities}, {"relations", run.data->relations}};
  for (const graph::Split split : graph::kSplits)
    out["triples"][graph::name(split)] = run.data->triples.at(static_cast<std::size_t>(split));
  return out;
}

Json json_of(const train::EpochRecord& epoch) {
  Json out = {{"epoch", epoch.epoch},
              {"loss", epoch.loss},
              {"learning_rate", epoch.learning_rate},
              {"seconds", epoch.seconds},
              {"triples_per_second", epoch.triples_per_second}};
  if (epoch.validation_mrr) out["validation_mrr"] = *epoch.validation_mrr;
  for (const train::HitsAt& hits : epoch.validation_hits)
    out[fmt::format("validation_hits_at_{}", hits.k)] = hits.share;
  if (!epoch.validation_filter.empty()) out["validation_filter"] = epoch.validation_filter;
  if (!epoch.end.time_utc.empty()) out["time"] = epoch.end.time_utc;
  return out;
}

Json groups_of(const EvaluationFigures& evaluation, Grouping grouping) {
  Json out = Json::array();
  for (const GroupFigures& group : evaluation[grouping]) {
    Json json = {{evaluate::name(grouping), group.label}};
    if (grouping == Grouping::kRelation) json["class"] = group.relation_class;
    json["queries"] = group.mrr.queries;
    json["mrr"] = group.mrr.mean;
    json["interval"] = json_of(group.mrr.interval);
    json["tail_mrr"] = group.tail_mrr;
    json["head_mrr"] = group.head_mrr;
    json["hits_at_10"] = group.hits_at_10;
    out.push_back(std::move(json));
  }
  return out;
}

Json evaluation_of(const RunFigures& run) {
  if (!run.evaluation) return {};
  const EvaluationFigures& evaluation = *run.evaluation;
  Json out = {{"split", evaluation.stored.split},
              {"filter", evaluation.stored.filter},
              {"epoch", evaluation.stored.epoch},
              {"queries", evaluation.stored.queries.size()},
              {"unseen_queries", evaluation.unseen_queries},
              {"entities", evaluation.entities},
              {"mrr", evaluation.mrr}};
  if (evaluation.interval) out["interval"] = json_of(*evaluation.interval);
  for (const auto& [figure, value] : evaluation.figures) out[figure] = value;
  out["pessimistic_mrr"] = evaluation.pessimistic_mrr;
  for (const RankRange& range : evaluation.histogram)
    out["histogram"].push_back({{"first", range.first}, {"last", range.last}, {"queries", range.queries}});
  out["relations"] = evaluation.relations;
  for (const Grouping grouping : evaluate::kGroupings)
    out[fmt::format("by_{}", evaluate::name(grouping))] = groups_of(evaluation, grouping);
  out["command_line"] = evaluation.command_line;
  out["time"] = evaluation.time_utc;
  return out;
}

Json by_tag(const std::array<std::uint64_t, memory::kTagCount>& bytes) {
  Json out = Json::object();
  for (std::size_t tag = 0; tag < bytes.size(); ++tag) out[memory::name(static_cast<memory::Tag>(tag))] = bytes[tag];
  return out;
}

Json memory_of(const RunFigures& run) {
  const train::Start* start = run.planned_start();
  return {{"peak_bytes", run.epochs.empty() ? Json() : by_tag(run.epochs.back().peak_bytes)},
          {"planned_bytes", start == nullptr ? Json() : by_tag(*start->circumstances.planned_bytes)}};
}

Json times_of(const RunFigures& run) {
  const RunTimes times = run.times();
  Json out = {{"training_seconds", times.training_seconds},
              {"saving_seconds", times.saving_seconds},
              {"bytes_sent", times.bytes_sent}};
  for (std::size_t stage = 0; stage < kStageCount; ++stage)
    out["stage_seconds"][name(static_cast<Stage>(stage))] = times.stages.seconds.at(stage);
  return out;
}

Json partition_of(const RunFigures& run) {
  if (!run.partition) return {};
  const graph::PartitionManifest& partition = *run.partition;
  Json out = {
      {"parts", partition.part_count()},
      {"method", partition.method},
      {"cut", graph::cut_fraction(partition.figures)},
      {"random_cut", partition.random_figures.empty() ? Json() : Json(graph::cut_fraction(partition.random_figures))},
      {"by_part", Json::array()}};
  for (const graph::PartFigures& part : partition.figures)
    out["by_part"].push_back({{"rows", part.rows},
                              {"queries", part.queries},
                              {"cut_queries", part.cut_queries},
                              {"halo_rows", part.halo_rows}});
  return out;
}

Json json_of(const train::Start& start) {
  const train::Circumstances& at = start.circumstances;
  Json out = {{"after_epoch", start.after.epoch},
              {"after_segment", start.after.segment},
              {"placement", start.placement},
              {"why", start.why},
              {"ranks", Json::array()}};
  for (const train::RankShare& rank : start.ranks)
    out["ranks"].push_back({{"computes_with", rank.computes_with}, {"parts", rank.parts}});
  for (const auto& [key, value] : {std::pair{"time", at.program.time_utc},
                                   {"host", at.program.host},
                                   {"job_id", at.job_id},
                                   {"tessera_version", at.program.version},
                                   {"git_commit", at.program.git_commit},
                                   {"command_line", at.program.command_line}})
    if (!value.empty()) out[key] = value;
  return out;
}

Json json_of(const RunFigures& run) {
  Json out = {{"run", run.folder.string()}, {"name", run.name}};
  out["model"] = run.job.model.name;
  out["dim"] = run.job.model.dim;
  out["graph"] = run.job.data.graph;
  out["state"] = state_of(run);
  out["settings"] = settings_of(run.job);
  out["data"] = data_of(run);
  out["epochs"] = Json::array();
  for (const train::EpochRecord& epoch : run.epochs) out["epochs"].push_back(json_of(epoch));
  out["evaluation"] = evaluation_of(run);
  out["memory"] = memory_of(run);
  out["time"] = times_of(run);
  out["partition"] = partition_of(run);
  out["starts"] = Json::array();
  for (const train::Start& start : run.starts) out["starts"].push_back(json_of(start));
  out["missing"] = Json::object();
  for (const auto& [section, sentence] : run.missing) out["missing"][name(section)] = sentence;
  return out;
}

Json json_of(const Difference& difference, const Report& report) {
  Json out = {{"first", report.runs.front().name}, {"second", report.runs[difference.second].name}};
  if (!difference.comparison) {
    out["refused"] = difference.why_not;
    return out;
  }
  const evaluate::Comparison& c = *difference.comparison;
  out["difference"] = c.second_mrr - c.first_mrr;
  out["better"] = c.better;
  out["worse"] = c.worse;
  if (report.resamples > 0) {
    out["interval"] = json_of(c.difference);
    out["share_second_better"] = c.share_second_better;
    out["p_value"] = c.p_value;
    out["resamples"] = report.resamples;
  }
  for (const Grouping grouping : evaluate::kGroupings) {
    Json& groups = out[fmt::format("by_{}", evaluate::name(grouping))] = Json::array();
    const auto& labels = (*report.runs.front().evaluation)[grouping];
    const auto& means = difference.by.at(static_cast<std::size_t>(grouping));
    for (std::size_t i = 0; i < means.size(); ++i) {
      Json& group = groups.emplace_back(Json{{evaluate::name(grouping), labels[i].label}});
      group.update(json_of(means[i]));
    }
  }
  return out;
}

}  // namespace

std::string to_json(const Report& report) {
  Json out = {{"runs", Json::array()}, {"differences", Json::array()}};
  for (const RunFigures& run : report.runs) out["runs"].push_back(json_of(run));
  for (const Difference& difference : report.differences) out["differences"].push_back(json_of(difference, report));
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tessera::report
