// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/report.hpp"

#include "core/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>

namespace tessera::plan {
namespace {

using Json = nlohmann::ordered_json;

const char* plural(std::int64_t count) { return count == 1 ? "" : "s"; }

std::string in_words(const Layout& layout) {
  return fmt::format("{} rank{} on {} node{}", layout.ranks, plural(layout.ranks), layout.nodes(),
                     plural(layout.nodes()));
}

using Value = std::function<std::uint64_t(const StagePlan&)>;

std::string row(const Report& report, const std::string& name, const Value& value) {
  std::string line = fmt::format("{:<18}", name);
  for (const StagePlan& stage : report.stages) {
    const std::uint64_t bytes = value(stage);
    line += fmt::format("{:>13}", bytes == 0 ? "-" : text::bytes(bytes));
  }
  return line + "\n";
}

/// The purposes that any stage uses, the largest of the first stage first.
std::vector<std::size_t> purposes(const Report& report) {
  std::vector<std::size_t> tags;
  for (std::size_t tag = 0; tag < memory::kTagCount; ++tag)
    if (std::any_of(report.stages.begin(), report.stages.end(),
                    [&](const StagePlan& stage) { return stage.fullest.host[tag] > 0; }))
      tags.push_back(tag);
  const auto& first = report.stages.front().fullest.host;
  std::stable_sort(tags.begin(), tags.end(), [&](auto a, auto b) { return first[a] > first[b]; });
  return tags;
}

std::string table(const Report& report) {
  std::string text = fmt::format("{:<18}", "a rank, at most");
  for (const StagePlan& stage : report.stages) text += fmt::format("{:>13}", name(stage.stage));
  text += "\n";
  for (const std::size_t tag : purposes(report))
    text += row(report, memory::name(static_cast<memory::Tag>(tag)),
                [tag](const StagePlan& stage) { return stage.fullest.host[tag]; });
  text += row(report, "pool", [](const StagePlan& stage) { return stage.fullest.pool_bytes(); });
  text += row(report, "outside the pool", [](const StagePlan& stage) { return stage.fullest.outside; });
  text += row(report, "in all", [](const StagePlan& stage) { return stage.fullest.all_bytes(); });
  text += row(report, "a node", [](const StagePlan& stage) { return stage.node_bytes; });
  if (report.job.run.device != "cpu") {
    text += row(report, "of it pinned", [](const StagePlan& stage) { return stage.fullest.pinned; });
    text += row(report, "device, about", [](const StagePlan& stage) { return stage.fullest.device; });
  }
  text += fmt::format("{:<18}", "fits the budget");
  for (const StagePlan& stage : report.stages) text += fmt::format("{:>13}", stage.fits() ? "yes" : "no");
  return text + "\n";
}

// Of what the stage needs: a copy for checkpoints is taken only of what is left.
std::string dominating(const StagePlan& stage) {
  auto host = stage.fullest.host;
  host.at(static_cast<std::size_t>(memory::Tag::kCheckpoint)) = 0;
  const auto most = static_cast<std::size_t>(std::max_element(host.begin(), host.end()) - host.begin());
  return fmt::format("{}: {:.0f} % of what '{}' needs", memory::name(static_cast<memory::Tag>(most)),
                     100 * static_cast<double>(host[most]) / static_cast<double>(stage.fullest.needed_bytes()),
                     name(stage.stage));
}

std::string settings(const Report& report) {
  std::string text = "\nsettings that save memory in training, the cheapest first\n";
  for (const Setting& setting : report.advice.settings)
    text += fmt::format("  {:<34} {:>10}  {}{}\n", setting.text, text::bytes(setting.saves_bytes), setting.cost,
                        report.stages.front().fits() ? ""
                        : setting.fits               ? "; fits"
                                                     : "; does not fit alone");
  if (!report.advice.together.empty())
    text += fmt::format("  together these fit: {}\n", fmt::join(report.advice.together, " "));
  return report.advice.settings.empty() ? "" : text;
}

Json json_of(const Layout& layout) {
  return {{"ranks", layout.ranks}, {"nodes", layout.nodes()}, {"ranks_per_node", layout.ranks_per_node}};
}

Json json_of(const StagePlan& stage) {
  Json bytes = Json::object();
  for (std::size_t tag = 0; tag < memory::kTagCount; ++tag)
    if (stage.fullest.host[tag] > 0) bytes[memory::name(static_cast<memory::Tag>(tag))] = stage.fullest.host[tag];
  return {{"rank", stage.rank.value()},
          {"by_purpose", bytes},
          {"pool_bytes", stage.fullest.pool_bytes()},
          {"outside_bytes", stage.fullest.outside},
          {"all_bytes", stage.fullest.all_bytes()},
          {"node_bytes", stage.node_bytes},
          {"pinned_bytes", stage.fullest.pinned},
          {"device_bytes", stage.fullest.device},
          {"budget_bytes", stage.budget.host_bytes},
          {"budget_source", stage.budget.source},
          {"fits", stage.fits()}};
}

Json json_of(const Advice& advice) {
  Json list = Json::array();
  for (const Setting& setting : advice.settings)
    list.push_back({{"setting", setting.text},
                    {"saves_bytes", setting.saves_bytes},
                    {"fits", setting.fits},
                    {"cost", setting.cost}});
  return list;
}

}  // namespace

bool Report::fits() const {
  return std::all_of(stages.begin(), stages.end(), [](const StagePlan& stage) { return stage.fits(); });
}

std::string to_text(const Report& report) {
  const StagePlan& training = report.stages.front();
  std::string text = fmt::format("sizes      {}\n", report.sizes.source);
  text += fmt::format("job        {}, dim {}, moves {}; {}, {} thread{} each\n", report.job.model.name,
                      report.job.model.dim, report.exchange, in_words(report.layout), report.threads,
                      plural(static_cast<std::int64_t>(report.threads)));
  text += fmt::format("budget     {} for each rank ({})\n\n", text::bytes(training.budget.host_bytes),
                      training.budget.source);
  if (!report.exported_rows.empty())
    text += fmt::format("serving    evaluate and predict read an exported model, rows in {}\n\n", report.exported_rows);
  text += table(report);
  text += fmt::format("\nmost       {}\n", dominating(training));
  text += report.smallest ? fmt::format("least      {} with this budget\n", in_words(*report.smallest))
                          : std::string("least      no number of ranks fits: every part needs one; make more parts\n");
  for (const PartitionPlan& plan : report.partition) {
    const std::string child =
        plan.metis_bytes == 0 ? "" : fmt::format(" and {} in the child of METIS", text::bytes(plan.metis_bytes));
    text += fmt::format("partition  --method {}: {}{}\n", plan.method, text::bytes(plan.process_bytes), child);
  }
  if (report.epoch_seconds)
    text += fmt::format("speed      about {:.3g} s for each epoch, without exchange and validation\n",
                        *report.epoch_seconds);
  return text + settings(report);
}

std::string to_json(const Report& report) {
  Json out = {{"sizes", report.sizes.source},
              {"is_estimate", report.sizes.is_estimate()},
              {"entities", report.sizes.manifest.entity_count},
              {"relations", report.sizes.manifest.relation_count},
              {"training_triples", report.sizes.manifest.query_count() / 2},
              {"parts", report.sizes.manifest.part_count()},
              {"layout", json_of(report.layout)},
              {"threads", report.threads},
              {"exchange", report.exchange},
              {"fits", report.fits()}};
  for (const StagePlan& stage : report.stages) out["stages"][name(stage.stage)] = json_of(stage);
  for (const PartitionPlan& plan : report.partition)
    out["stages"]["partition"][plan.method] = {{"process_bytes", plan.process_bytes},
                                               {"metis_bytes", plan.metis_bytes}};
  out["smallest"] = report.smallest ? json_of(*report.smallest) : Json(nullptr);
  out["settings"] = json_of(report.advice);
  out["settings_together"] = report.advice.together;
  if (report.epoch_seconds) out["epoch_seconds"] = *report.epoch_seconds;
  return out.dump(2);
}

}  // namespace tessera::plan
