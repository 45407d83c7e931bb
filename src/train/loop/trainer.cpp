// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/loop/trainer.hpp"

#include "comm/agreement.hpp"
#include "core/fault.hpp"
#include "core/log.hpp"
#include "core/provenance.hpp"
#include "core/text.hpp"
#include "model/own_rows.hpp"
#include "storage/atomic.hpp"
#include "train/epoch_loss.hpp"
#include "train/loop/run_progress.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <utility>

namespace tessera::train {
namespace {

constexpr std::uint64_t kManyNumbers = 200'000'000;  // some seconds for each rank

}  // namespace

Trainer::Trainer(const EngineSetup& setup, Engine& engine, bool resume)
    : comm_(setup.comm),
      shard_(setup.shard),
      job_(setup.job),
      parameters_(setup.parameters),
      engine_(engine),
      pool_(setup.pool),
      threads_(setup.threads),
      checkpoints_(job_.run.folder),
      some_hold_parameters_(comm_.reduce(engine.holds_parameters() ? 1 : 0, comm::Reduction::kMax) != 0),
      saves_(text::parse_duration(job_.checkpoint.every, "checkpoint.every")) {
  open_run_folder(resume);
  prepare_saving(setup.pool);
  if (comm_.is_root()) recall_times();
}

// On rank 0. Metrics hold the time of all checkpoints since the epoch before.
void Trainer::recall_times() {
  double segment = state_.partial.longest_seconds;
  double save = 0;
  if (!metrics_->records().empty()) {
    const EpochRecord& last = metrics_->records().back();
    const double every = text::parse_duration(job_.checkpoint.every, "checkpoint.every");
    segment = std::max(segment, last.longest_segment_seconds);
    save = last.saves.writing / (every > 0 ? std::max(1.0, std::floor(last.seconds / every)) : 1);
  }
  saves_.start_from(segment, save);
}

// Nothing is written before everything is known to fit: a refused --resume leaves the run as it was.
void Trainer::open_run_folder(bool resume) {
  comm::on_root(comm_, [&] { check_run_folder(job_, resume); });
  const auto loaded = checkpoints_.load_newest(comm_, shard_, parameters_);
  if (loaded) {
    state_ = *loaded;
    check_state();
    if (comm_.is_root()) log::info("continuing after {} of '{}'", in_words(state_), job_.run.folder);
  } else {
    const std::uint64_t entities = shard_.manifest.entity_count;
    if (comm_.is_root() && entities * job_.model.dim > kManyNumbers)
      log::info("drawing the first rows of {} entities", text::with_thousands(entities));
    comm::together(comm_, [&] { parameters_.initialise(job_.model, job_.run.seed); });
  }
  comm::on_root(comm_, [&] { write_run_folder(); });
  if (comm_.is_root() && !metrics_->records().empty()) last_loss_ = metrics_->records().back().loss;
  comm_.broadcast_values(std::span(&last_loss_, 1), Rank(0));
}

// On all ranks alike.
void Trainer::check_state() const {
  const std::uint64_t begun = state_.epoch + (is_between_epochs() ? 0 : 1);
  if (begun > job_.train.epochs)
    throw comm::AgreedError(ExitStatus::kUsage,
                            fmt::format("run '{}' has {} epochs already, train.epochs is {}; ask for as many or more",
                                        job_.run.folder, begun, job_.train.epochs));
  if (!is_between_epochs() && state_.partial.segments != engine_.segments())
    throw comm::AgreedError(ExitStatus::kBadData,
                            fmt::format("run '{}' stands in an epoch of {} segments, but its job makes {}",
                                        job_.run.folder, state_.partial.segments, engine_.segments()));
}

void Trainer::write_run_folder() {
  const std::filesystem::path folder = job_.run.folder;
  std::error_code error;
  std::filesystem::create_directories(folder / checkpoint::kCheckpointsFolder, error);
  if (error) fail(ExitStatus::kIo, "folder '{}' cannot be made: {}", folder.string(), error.message());
  checkpoints_.remove_unfinished();
  for (const char* mine : {kMetricsLog, kMetricsFile, kJobFile})  // also those of a host that is lost
    storage::remove_temporaries(folder / mine);
  metrics_.emplace(folder, state_.epoch);
  if (!metrics_->records().empty()) metrics_->rebuild_hdf5();  // a kill may have come between the checkpoint and this
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

double Trainer::epochs_done() const {
  const auto segments = static_cast<double>(std::max<std::uint64_t>(1, state_.partial.segments));
  return static_cast<double>(state_.epoch) + static_cast<double>(state_.partial.segment) / segments;
}

// All epochs are done, or validation no longer improves. An epoch that was begun is completed.
bool Trainer::is_at_end() const {
  return is_between_epochs() && (state_.epoch >= job_.train.epochs || no_longer_improves());
}

Outcome Trainer::run(const TrainerHooks& hooks) {
  Outcome outcome;
  if (state_.epoch == 0 && job_.train.epochs == 0) {  // the initial parameters are a model too
    state_.finished = true;
    save(hooks, false);
  }
  time_left_ = TimeLeft(epochs_done(), job_.train.epochs);
  const std::uint64_t triples = shard_.manifest.query_count() / 2;
  const std::uint64_t before = triples * state_.epoch + state_.partial.sums.terms / 2;
  Progress progress("training", triples * job_.train.epochs, "triples", !comm_.is_root(), before);
  while (!is_at_end() && !outcome.stopped_on_request) {
    train_segment(progress, hooks);
    state_.finished = is_at_end();
    outcome.stopped_on_request = is_stop_asked(hooks) && !state_.finished;
    const bool goes_on = !outcome.stopped_on_request && !state_.finished;
    if (!goes_on || must_save()) save(hooks, goes_on);
  }
  progress.finish();
  outcome.stopped_early = no_longer_improves();
  outcome.state = state_;
  outcome.final_loss = last_loss_;
  outcome.parameter_digest = checkpoint::parameter_digest(comm_, shard_, parameters_);
  return outcome;
}

void Trainer::train_segment(Progress& progress, const TrainerHooks& hooks) {
  checkpoint::PartialEpoch& epoch = state_.partial;
  const auto bytes_sent = [&] {
    return comm_.bytes_sent() + (hooks.device_bytes_sent ? hooks.device_bytes_sent() : 0);
  };
  const std::uint64_t sent_before = bytes_sent();
  const auto start = std::chrono::steady_clock::now();
  epoch.segments = engine_.segments();
  engine_.optimiser().set_rate_factor(state_.rate_factor);
  engine_.run_segment(static_cast<std::uint32_t>(state_.epoch), epoch.segment, epoch.sums, &progress);
  parameters_are_taken_ = false;
  const bool is_last = ++epoch.segment == epoch.segments;
  if (is_last && needs_parameters(state_.epoch + 1)) take_parameters();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  epoch.seconds += seconds;
  epoch.longest_seconds = std::max(epoch.longest_seconds, seconds);
  saves_.segment_took(seconds);
  bytes_sent_ += bytes_sent() - sent_before;
  stages_ += engine_.stage_times();
  if (is_last) end_epoch(progress, hooks);
}

// Collective. Adds what the ranks sent, and where their time went, to the epoch.
void Trainer::collect_use() {
  const auto sent = static_cast<std::int64_t>(std::exchange(bytes_sent_, 0));
  state_.partial.bytes_sent += static_cast<std::uint64_t>(comm_.reduce(sent, comm::Reduction::kSum));
  state_.partial.stages += longest(std::exchange(stages_, {}));
}

void Trainer::end_epoch(Progress& progress, const TrainerHooks& hooks) {
  collect_use();
  const checkpoint::PartialEpoch epoch = std::exchange(state_.partial, {});
  EpochRecord record;
  record.epoch = ++state_.epoch;
  record.loss = mean_loss(epoch.sums);
  record.learning_rate = engine_.optimiser().learning_rate();
  record.seconds = epoch.seconds;
  record.triples_per_second = static_cast<double>(shard_.manifest.query_count()) / 2 / record.seconds;
  record.segments = epoch.segments;
  record.longest_segment_seconds = epoch.longest_seconds;
  record.saves = saves_.take_seconds();
  record.bytes_sent = epoch.bytes_sent;
  record.stages = epoch.stages;
  if (parameters_.average() != nullptr) parameters_.update_average(state_.epoch == 1 ? 0 : job_.average.decay);
  last_loss_ = record.loss;
  if (hooks.validation && is_due(job_.validate.every)) validate(hooks, record);
  if (hooks.device_use) record.device_use = largest(hooks.device_use());
  this->record(hooks, record);
  if (comm_.is_root()) log_epoch(progress);
}

// Collective. One of the ranks was asked to stop; rank 0 also tells all whether its clock asks for a checkpoint. Where
// no rank is at work on the checkpoint before, all learn about it.
bool Trainer::is_stop_asked(const TrainerHooks& hooks) {
  std::array<std::int64_t, 3> asked{hooks.stop != nullptr && hooks.stop->load() ? 1 : 0,
                                    comm_.is_root() && saves_.is_time() ? 1 : 0, saving_ && saving_->is_busy() ? 1 : 0};
  comm_.all_reduce(asked, comm::Reduction::kMax);
  saves_.set_due(asked[1] != 0);
  if (saving_ && asked[2] == 0) advance_saving();
  return asked[0] != 0;
}

bool Trainer::must_save() const {
  if (saves_.is_due()) return true;
  if (!is_between_epochs()) return false;
  if (job_.validate.every > 0) return is_due(job_.validate.every);
  return !saves_.go_by_time() && is_due(10);
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

void Trainer::take_parameters() {
  if (parameters_are_taken_) return;
  if (some_hold_parameters_) finish_saving();  // their checkpoints are written from the parameters
  engine_.download_parameters();
  require_finite_rows();
  parameters_are_taken_ = true;
}

// A model that has diverged is neither validated nor saved: the checkpoints before it stay.
void Trainer::require_finite_rows() {
  try {
    (void)model::require_finite_rows(comm_, parameters_, threads_);
  } catch (const comm::AgreedError& error) {
    throw comm::AgreedError(
        ExitStatus::kBadData,
        fmt::format("epoch {}: {}; earlier checkpoints stay; try a lower optimiser.learning_rate in another run",
                    state_.epoch + (is_between_epochs() ? 0 : 1), error.what()));
  }
}

void Trainer::validate(const TrainerHooks& hooks, EpochRecord& record) {
  Validation validation = hooks.validation();
  const double mrr = validation.mrr;
  record.validation_mrr = mrr;
  record.validation_hits = std::move(validation.hits);
  record.validation_filter = hooks.validation_filter;
  if (!count_validation(state_, job_, mrr) || !comm_.is_root()) return;
  log::info("{} validations without a better one: the learning rate is {:.3g} from now on", job_.schedule.patience,
            job_.optimiser.learning_rate * state_.rate_factor);
}

void Trainer::record(const TrainerHooks& hooks, EpochRecord record) {
  std::array<std::int64_t, memory::kTagCount> peaks{};
  for (std::size_t tag = 0; tag < peaks.size(); ++tag)
    peaks[tag] = static_cast<std::int64_t>(pool_.use(static_cast<memory::Tag>(tag)).peak_bytes);
  comm_.all_reduce(peaks, comm::Reduction::kMax);
  for (std::size_t tag = 0; tag < peaks.size(); ++tag) record.peak_bytes[tag] = static_cast<std::uint64_t>(peaks[tag]);
  comm::on_root(comm_, [&] {
    const Provenance now = current_provenance();
    record.end = {now.time_utc, now.host, job_id()};
    fault_point("metrics.append", comm_.rank());
    if (hooks.require_folder) hooks.require_folder();
    metrics_->append(record);
  });
}

void Trainer::log_epoch(Progress& progress) const {
  const EpochRecord& record = metrics_->records().back();
  progress.set_standing(last_validation(metrics_->records()));
  progress.finish();  // the line that a terminal shows makes room
  log::info("{}",
            epoch_line(metrics_->records(), {job_.train.epochs, state_.best_epoch, time_left_.seconds(epochs_done())}));
  std::string stages;
  for (std::size_t stage = 0; stage < kStageCount; ++stage)
    stages += fmt::format("{}{} {:.2f} s", stages.empty() ? "" : ", ", name(static_cast<Stage>(stage)),
                          record.stages.seconds[stage]);
  log::debug("time by stage, of the slowest rank: {}", stages);
}

// Collective. Parameters of which the engine trains a copy stay as they are until they are downloaded again; others are
// copied. Those in files change there, and are as large as the disk.
void Trainer::prepare_saving(memory::Pool& pool) {
  if (!job_.checkpoint.background || parameters_.is_in_files()) return;
  if (!engine_.holds_parameters()) copy_.emplace(parameters_, pool);
  const bool has_place = !copy_ || copy_->has_memory();
  saves_behind_ = comm_.reduce(has_place ? 1 : 0, comm::Reduction::kMin) != 0;
  if (!saves_behind_) copy_.reset();
  if (comm_.is_root() && !saves_behind_)
    log::info("memory has no room for a copy of the rows: training stops while a checkpoint is written");
}

// A part that has not changed since the newest checkpoint needs no file of its own.
std::vector<checkpoint::PartToSave> Trainer::parts_to_save(bool is_behind) {
  if (is_behind && copy_) return copy_->take(parameters_, threads_);
  std::vector<checkpoint::PartToSave> parts = checkpoint::parts_to_save(parameters_);
  for (std::size_t p = 0; p < saved_.size(); ++p)
    if (!engine_.has_changed(parts[p].table.part)) parts[p].unchanged = saved_[p];
  engine_.forget_changes();
  return parts;
}

// Collective. With `goes_on`, training may go on before the checkpoint is whole.
void Trainer::save(const TrainerHooks& hooks, bool goes_on) {
  const auto start = std::chrono::steady_clock::now();
  finish_saving();
  comm::on_root(comm_, [&] {
    if (hooks.require_folder) hooks.require_folder();
  });
  take_parameters();
  if (!is_between_epochs()) collect_use();
  const bool is_behind = goes_on && saves_behind_;
  saving_ = checkpoints_.begin_save(comm_, {shard_, parameters_, state_, parts_to_save(is_behind), is_behind},
                                    job_.checkpoint.keep);
  saves_.began(is_behind);
  if (!is_behind) finish_saving();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  saves_.stopped_for(seconds);
  if (comm_.is_root()) log::debug("checkpoint after {}: training stopped for {:.2f} s", in_words(state_), seconds);
}

// Collective.
void Trainer::advance_saving() {
  const bool is_whole = saving_->advance();
  if (!is_whole) return;
  if (comm_.is_root()) log::debug("the checkpoint was whole after {:.2f} s", saving_->seconds());
  saves_.was_written(saving_->seconds());
  saved_ = saving_->files();
  saving_.reset();
  comm::on_root(comm_, [&] { metrics_->rebuild_hdf5(); });
  if (comm_.is_root()) saves_.log_lead(state_.finished);
}

// Collective. Waits for the checkpoint that is not whole yet.
void Trainer::finish_saving() {
  while (saving_) advance_saving();
}

}  // namespace tessera::train
