// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/train_outcome.hpp"

#include "cli/results_json.hpp"
#include "core/log.hpp"
#include "train/loop/metrics_log.hpp"

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <vector>

namespace tessera::cli {
namespace {

void print_outcome(const train::Outcome& outcome, const Job& job, const std::optional<memory::DeviceUse>& device_use,
                   bool json) {
  if (json) {
    std::printf("%s\n", to_json(outcome, job, device_use).c_str());
    return;
  }
  std::printf("run               %s\n", job.run.folder.c_str());
  std::printf("epochs            %llu%s\n", static_cast<unsigned long long>(outcome.state.epoch),
              outcome.stopped_early ? " (validation no longer improved)" : "");
  if (outcome.state.partial.segment > 0)
    std::printf("segments          %llu of %llu of the next epoch\n",
                static_cast<unsigned long long>(outcome.state.partial.segment),
                static_cast<unsigned long long>(outcome.state.partial.segments));
  if (outcome.state.epoch > 0) std::printf("loss              %.6f\n", outcome.final_loss);
  if (outcome.state.best_epoch > 0)
    std::printf("validation MRR    %.4f after epoch %llu (filter: %s; the best)\n", outcome.state.best_mrr,
                static_cast<unsigned long long>(outcome.state.best_epoch), evaluate::name(kValidationFilter));
  std::printf("parameter digest  %s\n", outcome.parameter_digest.c_str());
}

void warn_of_overfitting(const train::Outcome& outcome, const Job& job) {
  constexpr std::uint64_t kEnough = 3;  // validations that say something
  std::vector<std::uint64_t> validated;
  for (const train::EpochRecord& record :
       train::read_metrics(std::filesystem::path(job.run.folder) / train::kMetricsLog))
    if (record.validation_mrr) validated.push_back(record.epoch);
  if (validated.size() < kEnough || outcome.state.best_epoch != validated.front()) return;
  log::warning(
      "the first validation, after epoch {}, was the best of {}: the model overfits. Try a larger regulariser.weight, "
      "dropout, or a smaller optimiser.learning_rate; 'tessera search' tries many",
      validated.front(), validated.size());
}

}  // namespace

void report_outcome(const train::Outcome& outcome, const Job& job, const std::optional<memory::DeviceUse>& device_use,
                    bool json) {
  warn_of_overfitting(outcome, job);
  print_outcome(outcome, job, device_use, json);
}

}  // namespace tessera::cli
