// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/settings.hpp"

#include "core/error.hpp"
#include "train/loop/job_rules.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tessera::plan {

std::vector<Candidate> settings_to_try(Stage stage, const Job& job) {
  std::vector<Candidate> tried;
  if (stage == Stage::kExport) return tried;
  if (job.memory.queries != "stream") tried.push_back({"memory.queries=stream", "queries are read from disk again"});
  if (stage != Stage::kTrain) return tried;
  const auto add = [&](bool is_change, std::string text, const char* cost) {
    if (is_change) tried.push_back({std::move(text), cost});
  };
  add(job.exchange.scores != "recompute", "exchange.scores=recompute", "more time, same result");
  const std::uint64_t batch = job.train.batch_size;
  add(batch >= 2, fmt::format("train.batch_size={}", batch / 2), "other result, more steps");
  add(batch >= 8, fmt::format("train.batch_size={}", batch / 8), "other result, more steps");
  add(job.run.rows == "fp32", "run.rows=bf16", "result differs in the last digits");
  add(job.optimiser.name == "adagrad" && job.optimiser.state == "fp32", "optimiser.state=log8",
      "result differs in the last digits");
  add(job.optimiser.name == "adam", "optimiser.name=adagrad", "other result, needs another rate");
  add(job.optimiser.name == "adam" || job.optimiser.name == "adagrad", "optimiser.name=rowwise_adagrad",
      "other result");
  add(job.average.decay > 0, "average.decay=0", "other result");
  add(job.run.rows != "int8", "run.rows=int8", "other result");
  if (const std::uint64_t quarter = job.data.parts / 4; quarter >= 2)
    add(job.memory.resident_parts == "all", fmt::format("memory.resident_parts={}", quarter),
        "other result, reads and writes rows on disk");
  const std::uint64_t dim = job.model.dim / 2 / 2 * 2;
  add(dim >= 2, fmt::format("model.dim={}", dim), "smaller model");
  return tried;
}

std::optional<Job> changed_job(const Job& job, const std::vector<std::string>& settings, std::int32_t ranks) {
  try {
    Job changed = with_settings(job, settings);
    train::check_fit(changed);
    if (changed.memory.resident_parts != "auto") train::require_resident_parts(changed, ranks);
    return changed;
  } catch (const Error& error) {
    if (error.status() != ExitStatus::kUsage) throw;
    return std::nullopt;
  }
}

}  // namespace tessera::plan
