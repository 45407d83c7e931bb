// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/loop/trainer.hpp"

#include "comm/agreement.hpp"
#include "core/fault.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "model/own_rows.hpp"
#include "storage/atomic.hpp"

#include <chrono>
#include <filesystem>

namespace tessera::train {

Trainer::Trainer(const EngineSetup& setup, Engine& engine, bool resume)
    : comm_(setup.comm),
      shard_(setup.shard),
      job_(setup.job),
      parameters_(setup.parameters),
      engine_(engine),
      pool_(setup.pool),
      checkpoints_(job_.run.folder),
      some_hold_parameters_(comm_.reduce(engine.holds_parameters() ? 1 : 0, comm::Reduction::kMax) != 0) {
  open_run_folder(resume);
}

// Nothing is written before everything is known to fit: a refused --resume leaves the run as it was.
void Trainer::open_run_folder(bool resume) {
  comm::on_root(comm_, [&] { check_run_folder(resume); });
  const auto loaded = checkpoints_.load_newest(comm_, shard_, parameters_);
  if (loaded) {
    state_ = *loaded;
    if (state_.epoch > job_.train.epochs)
      throw comm::AgreedError(ExitStatus::kUsage,
                              fmt::format("run '{}' has {} epochs already, train.epochs is {}; ask for as many or more",
                                          job_.run.folder, state_.epoch, job_.train.epochs));
    if (comm_.is_root()) log::info("continuing after epoch {} of '{}'", state_.epoch, job_.run.folder);
  } else {
    comm::together(comm_, [&] { parameters_.initialise(job_.model, job_.run.seed); });
  }
  comm::on_root(comm_, [&] { write_run_folder(); });
  if (comm_.is_root() && !metrics_->records().empty()) last_loss_ = metrics_->records().back().loss;
  comm_.broadcast_values(std::span(&last_loss_, 1), Rank(0));
}

void Trainer::check_run_folder(bool resume) const {
  const std::filesystem::path folder = job_.run.folder;
  (void)with_absolute_paths(job_);
  if (!std::filesystem::exists(folder)) return;
  if (!resume)
    fail(ExitStatus::kUsage,
         "run folder '{}' exists already; continue it with --resume, remove it, or choose another run.folder",
         folder.string());
  if (checkpoints_.epochs().empty()) return;  // nothing to continue: it starts anew
  if (const auto change = changed_result(read_job(folder / kJobFile), job_))
    fail(ExitStatus::kUsage,
         "run '{}' was started with {} = {}, not {}; continue it as it was, or choose another run.folder",
         folder.string(), change->key, change->before, change->now);
}

void Trainer::write_run_folder() {
  const std::filesystem::path folder = job_.run.folder;
  std::error_code error;
  std::filesystem::create_directories(folder / checkpoint::kCheckpointsFolder, error);
  if (error) fail(ExitStatus::kIo, "folder '{}' cannot be made: {}", folder.string(), error.message());
  checkpoints_.remove_unfinished();
  metrics_.emplace(folder, state_.epoch);
  storage::write_text(folder / kJobFile, to_toml(with_absolute_paths(job_)));
}

bool Trainer::is_due(std::uint64_t every, std::uint64_t epoch) const {
  return every > 0 && (epoch % every == 0 || epoch == job_.train.epochs);
}

// Tells whether the parameters are used after that epoch. Parameters in host memory are checked after every epoch.
bool Trainer::needs_parameters(std::uint64_t epoch) const {
  return !some_hold_parameters_ || job_.average.decay > 0 || is_due(job_.validate.every, epoch) ||
         (job_.validate.every == 0 && is_due(10, epoch)) || epoch == job_.train.epochs;
}

bool Trainer::no_longer_improves() const {
  return job_.validate.patience > 0 && state_.checks_since_best >= job_.validate.patience;
}

Outcome Trainer::run(const TrainerHooks& hooks) {
  Outcome outcome;
  if (state_.epoch == 0 && job_.train.epochs == 0) {  // the initial parameters are a model too
    state_.finished = true;
    save();
  }
  const std::uint64_t triples = shard_.manifest.query_count() / 2;
  Progress progress("training", triples * job_.train.epochs, "triples", !comm_.is_root(), triples * state_.epoch);
  while (state_.epoch < job_.train.epochs && !no_longer_improves()) {
    train_epoch(progress, hooks);
    const std::int64_t stop = hooks.stop != nullptr && hooks.stop->load() ? 1 : 0;
    outcome.stopped_on_request = comm_.reduce(stop, comm::Reduction::kMax) != 0;
    state_.finished = no_longer_improves() || state_.epoch == job_.train.epochs;
    const bool due = is_due(job_.validate.every) || (job_.validate.every == 0 && is_due(10));
    if (due || state_.finished || outcome.stopped_on_request) save();
    if (outcome.stopped_on_request && !state_.finished) break;
    outcome.stopped_on_request = false;
  }
  progress.finish();
  outcome.stopped_early = no_longer_improves();
  outcome.state = state_;
  outcome.final_loss = last_loss_;
  outcome.parameter_digest = checkpoint::parameter_digest(comm_, shard_, parameters_);
  return outcome;
}

void Trainer::train_epoch(Progress& progress, const TrainerHooks& hooks) {
  EpochRecord record;
  const auto bytes_sent = [&] {
    return comm_.bytes_sent() + (hooks.device_bytes_sent ? hooks.device_bytes_sent() : 0);
  };
  const std::uint64_t sent_before = bytes_sent();
  const auto start = std::chrono::steady_clock::now();
  engine_.optimiser().set_rate_factor(state_.rate_factor);
  record.loss = engine_.run_epoch(static_cast<std::uint32_t>(state_.epoch), &progress);
  parameters_are_taken_ = false;
  if (needs_parameters(state_.epoch + 1)) take_parameters(state_.epoch + 1);
  record.learning_rate = engine_.optimiser().learning_rate();
  record.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  record.triples_per_second = static_cast<double>(shard_.manifest.query_count()) / 2 / record.seconds;
  record.epoch = ++state_.epoch;
  if (parameters_.average() != nullptr) parameters_.update_average(state_.epoch == 1 ? 0 : job_.average.decay);
  last_loss_ = record.loss;
  const auto sent = static_cast<std::int64_t>(bytes_sent() - sent_before);
  record.bytes_sent = static_cast<std::uint64_t>(comm_.reduce(sent, comm::Reduction::kSum));
  if (hooks.validation_mrr && is_due(job_.validate.every)) validate(hooks, record);
  record.stages = longest(engine_.stage_times());
  if (hooks.device_use) record.device_use = largest(hooks.device_use());
  this->record(record);
}

// Collective. The largest values of all ranks.
memory::DeviceUse Trainer::largest(const memory::DeviceUse& use) {
  std::array<std::int64_t, 2> bytes{static_cast<std::int64_t>(use.planned_bytes),
                                    static_cast<std::int64_t>(use.measured_bytes)};
  comm_.all_reduce(bytes, comm::Reduction::kMax);
  return {static_cast<std::uint64_t>(bytes[0]), static_cast<std::uint64_t>(bytes[1])};
}

StageTimes Trainer::longest(const StageTimes& times) {
  std::array<std::int64_t, kStageCount> nanoseconds{};
  for (std::size_t stage = 0; stage < kStageCount; ++stage)
    nanoseconds[stage] = static_cast<std::int64_t>(1e9 * times.seconds[stage]);
  comm_.all_reduce(nanoseconds, comm::Reduction::kMax);
  StageTimes longest;
  for (std::size_t stage = 0; stage < kStageCount; ++stage)
    longest.seconds[stage] = 1e-9 * static_cast<double>(nanoseconds[stage]);
  return longest;
}

void Trainer::take_parameters(std::uint64_t epoch) {
  if (parameters_are_taken_) return;
  engine_.download_parameters();
  require_finite_rows(epoch);
  parameters_are_taken_ = true;
}

// A model that has diverged is neither validated nor saved: the checkpoints before it stay.
void Trainer::require_finite_rows(std::uint64_t epoch) {
  try {
    (void)model::require_finite_rows(comm_, parameters_, 1);
  } catch (const comm::AgreedError& error) {
    throw comm::AgreedError(
        ExitStatus::kBadData,
        fmt::format("epoch {}: {}; earlier checkpoints stay; try a lower optimiser.learning_rate in another run", epoch,
                    error.what()));
  }
}

void Trainer::validate(const TrainerHooks& hooks, EpochRecord& record) {
  const double mrr = hooks.validation_mrr();
  record.validation_mrr = mrr;
  if (mrr > state_.best_mrr) {
    state_.best_mrr = mrr;
    state_.best_epoch = state_.epoch;
  }
  if (state_.epoch % job_.validate.every == 0) count_validation(mrr);
}

void Trainer::count_validation(double mrr) {
  if (mrr > state_.reference_mrr) {
    state_.reference_mrr = mrr;
    state_.checks_since_best = 0;
    state_.checks_on_plateau = 0;
  } else {
    ++state_.checks_since_best;
    ++state_.checks_on_plateau;
  }
  if (job_.schedule.name == "plateau") lower_rate_on_plateau();
}

void Trainer::lower_rate_on_plateau() {
  if (state_.checks_on_plateau < job_.schedule.patience) return;
  state_.rate_factor *= job_.schedule.factor;
  state_.checks_on_plateau = 0;
  if (comm_.is_root())
    log::info("{} validations without a better one: the learning rate is {:.3g} from now on", job_.schedule.patience,
              job_.optimiser.learning_rate * state_.rate_factor);
}

void Trainer::record(EpochRecord record) {
  std::array<std::int64_t, memory::kTagCount> peaks{};
  for (std::size_t tag = 0; tag < peaks.size(); ++tag)
    peaks[tag] = static_cast<std::int64_t>(pool_.use(static_cast<memory::Tag>(tag)).peak_bytes);
  comm_.all_reduce(peaks, comm::Reduction::kMax);
  for (std::size_t tag = 0; tag < peaks.size(); ++tag) record.peak_bytes[tag] = static_cast<std::uint64_t>(peaks[tag]);
  comm::on_root(comm_, [&] {
    fault_point("metrics.append", comm_.rank());
    metrics_->append(record);
  });
  if (!comm_.is_root()) return;
  std::string line = fmt::format("epoch {}: loss {:.4f}, {} triples/s", record.epoch, record.loss,
                                 text::with_thousands(static_cast<std::uint64_t>(record.triples_per_second)));
  if (record.validation_mrr)
    line += fmt::format(", validation MRR {:.4f}{}", *record.validation_mrr,
                        state_.best_epoch == record.epoch ? " (best)" : "");
  log::info("{}", line);
  std::string stages;
  for (std::size_t stage = 0; stage < kStageCount; ++stage)
    stages += fmt::format("{}{} {:.2f} s", stages.empty() ? "" : ", ", name(static_cast<Stage>(stage)),
                          record.stages.seconds[stage]);
  log::debug("time by stage, of the slowest rank: {}", stages);
}

void Trainer::save() {
  take_parameters(state_.epoch);
  checkpoints_.save(comm_, shard_, parameters_, state_);
  comm::on_root(comm_, [&] { metrics_->rebuild_hdf5(); });
}

}  // namespace tessera::train
