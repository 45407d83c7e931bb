// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/loop/run_progress.hpp"

#include "checkpoint/checkpoint.hpp"
#include "core/error.hpp"

#include <filesystem>

namespace tessera::train {

void check_run_folder(const Job& job, bool resume) {
  const std::filesystem::path folder = job.run.folder;
  (void)with_absolute_paths(job);
  if (!std::filesystem::exists(folder)) return;
  if (!resume)
    fail(ExitStatus::kUsage,
         "run folder '{}' exists already; continue it with --resume, remove it, or choose another run.folder",
         folder.string());
  if (checkpoint::CheckpointStore(folder).positions().empty()) return;  // nothing to continue: it starts anew
  if (const auto change = changed_result(read_job(folder / kJobFile), job))
    fail(ExitStatus::kUsage,
         "run '{}' was started with {} = {}, not {}; continue it as it was, or choose another run.folder",
         folder.string(), change->key, change->before, change->now);
}

bool count_validation(checkpoint::RunState& state, const Job& job, double mrr) {
  if (mrr > state.best_mrr) {
    state.best_mrr = mrr;
    state.best_epoch = state.epoch;
  }
  if (state.epoch % job.validate.every != 0) return false;
  if (mrr > state.reference_mrr) {
    state.reference_mrr = mrr;
    state.checks_since_best = 0;
    state.checks_on_plateau = 0;
  } else {
    ++state.checks_since_best;
    ++state.checks_on_plateau;
  }
  if (job.schedule.name != "plateau" || state.checks_on_plateau < job.schedule.patience) return false;
  state.rate_factor *= job.schedule.factor;
  state.checks_on_plateau = 0;
  return true;
}

}  // namespace tessera::train
