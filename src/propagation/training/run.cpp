// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "propagation/training/run.hpp"

#include "comm/agreement.hpp"
#include "core/fault.hpp"
#include "core/log.hpp"
#include "core/provenance.hpp"
#include "core/text.hpp"
#include "storage/atomic.hpp"
#include "storage/checksum.hpp"
#include "train/loop/run_progress.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>
#include <utility>

namespace tessera::propagation {
namespace {

constexpr const char* kState = "/optimiser/state";
constexpr std::uint64_t kSegmentSteps = 16;
constexpr std::uint64_t kSaveEvery = 10;  // epochs, without validations

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

Run::Run(const RunSetup& setup, bool resume)
    : setup_(setup),
      checkpoints_(setup.job.run.folder),
      saves_(text::parse_duration(setup.job.checkpoint.every, "checkpoint.every")),
      last_loss_(std::numeric_limits<double>::quiet_NaN()) {
  begin(resume);
}

// Nothing is written before everything is known to fit.
void Run::begin(bool resume) {
  comm::Communicator& comm = setup_.comm;
  comm::on_root(comm, [&] { train::check_run_folder(setup_.job, resume); });
  const auto loaded = checkpoints_.load_newest(comm, [&](checkpoint::Position position) { return load(position); });
  if (loaded) {
    state_ = *loaded;
    check_state();
    if (comm.is_root()) log::info("continuing after {} of '{}'", in_words(state_), setup_.job.run.folder);
  } else {
    comm::together(comm, [&] {
      if (setup_.start != nullptr)
        setup_.learner.list().take(*setup_.start, setup_.start_file, setup_.training.parameters());
      else
        setup_.learner.list().initialise(setup_.job.run.seed, setup_.training.parameters());
      std::fill(setup_.training.optimiser_state().begin(), setup_.training.optimiser_state().end(), 0.0F);
    });
  }
  setup_.training.refresh();
  comm::on_root(comm, [&] { write_run_folder(); });
  if (comm.is_root() && !metrics_->records().empty()) last_loss_ = metrics_->records().back().loss;
  comm.broadcast_values(std::span(&last_loss_, 1), Rank(0));
}

checkpoint::RunState Run::load(checkpoint::Position position) {
  const storage::FileReader manifest = checkpoints_.open_manifest(position);
  checkpoint::check_partition(manifest, setup_.shard.manifest);
  const TrainedModel model = read_trained(manifest);
  if (model.name != setup_.job.model.name)
    fail(ExitStatus::kUsage, "'{}' holds a {} model, the job says {}", manifest.path().string(), model.name,
         setup_.job.model.name);
  setup_.learner.list().take(model.tensors, manifest.path().string(), setup_.training.parameters());
  if (manifest.length(kState) != setup_.training.optimiser_state().size())
    fail(ExitStatus::kBadData, "'{}', {}: its size is not that of the job", manifest.path().string(), kState);
  manifest.read_to<float>(kState, setup_.training.optimiser_state());
  return checkpoint::read_run_state(manifest);
}

void Run::check_state() const {
  const std::uint64_t begun = state_.epoch + (state_.partial.segment > 0 ? 1 : 0);
  if (begun > setup_.job.train.epochs)
    throw comm::AgreedError(ExitStatus::kUsage,
                            fmt::format("run '{}' has {} epochs already, train.epochs is {}; ask for as many or more",
                                        setup_.job.run.folder, begun, setup_.job.train.epochs));
  if (state_.partial.segment > 0 && state_.partial.segments != segments())
    throw comm::AgreedError(ExitStatus::kBadData,
                            fmt::format("run '{}' stands in an epoch of {} segments, but its job makes {}",
                                        setup_.job.run.folder, state_.partial.segments, segments()));
}

void Run::write_run_folder() {
  const std::filesystem::path folder = setup_.job.run.folder;
  std::error_code error;
  std::filesystem::create_directories(folder / checkpoint::kCheckpointsFolder, error);
  if (error) fail(ExitStatus::kIo, "folder '{}' cannot be made: {}", folder.string(), error.message());
  checkpoints_.remove_unfinished();
  metrics_.emplace(folder, state_.epoch);
  if (!metrics_->records().empty()) metrics_->rebuild_hdf5();
  storage::write_text(folder / kJobFile, to_toml(with_absolute_paths(setup_.job)));
}

TrainedModel Run::model() const {
  return {setup_.job.model.name, setup_.learner.list().tensors(setup_.training.parameters()), setup_.relations};
}

std::uint64_t Run::segment_steps() const {
  return setup_.job.train.segment_steps > 0 ? setup_.job.train.segment_steps : kSegmentSteps;
}

std::uint64_t Run::segments() const { return (setup_.training.steps() + segment_steps() - 1) / segment_steps(); }

bool Run::is_due(std::uint64_t every) const {
  return every > 0 && (state_.epoch % every == 0 || state_.epoch == setup_.job.train.epochs);
}

bool Run::no_longer_improves() const {
  return setup_.job.validate.patience > 0 && state_.checks_since_best >= setup_.job.validate.patience;
}

bool Run::is_at_end() const {
  return state_.partial.segment == 0 && (state_.epoch >= setup_.job.train.epochs || no_longer_improves());
}

bool Run::must_save() const {
  if (saves_.is_due()) return true;
  if (state_.partial.segment > 0) return false;
  if (setup_.job.validate.every > 0) return is_due(setup_.job.validate.every);
  return !saves_.go_by_time() && is_due(kSaveEvery);
}

train::Outcome Run::run(const train::TrainerHooks& hooks) {
  train::Outcome outcome;
  if (state_.epoch == 0 && setup_.job.train.epochs == 0) {
    state_.finished = true;
    save(hooks);
  }
  const double begun = static_cast<double>(state_.partial.segment) / static_cast<double>(segments());
  time_left_ = train::TimeLeft(static_cast<double>(state_.epoch) + begun, setup_.job.train.epochs);
  const std::uint64_t triples = setup_.shard.manifest.query_count() / 2;
  Progress progress("training", triples * setup_.job.train.epochs, "triples", !setup_.comm.is_root(),
                    triples * state_.epoch + state_.partial.sums.terms / 2);
  bytes_sent_ = setup_.comm.bytes_sent();
  while (!is_at_end() && !outcome.stopped_on_request) {
    train_segment(progress, hooks);
    state_.finished = is_at_end();
    outcome.stopped_on_request = is_stop_asked(hooks) && !state_.finished;
    if (outcome.stopped_on_request || state_.finished || must_save()) save(hooks);
  }
  progress.finish();
  outcome.stopped_early = no_longer_improves();
  outcome.state = state_;
  outcome.final_loss = last_loss_;
  outcome.parameter_digest = digest();
  return outcome;
}

void Run::train_segment(Progress& progress, const train::TrainerHooks& hooks) {
  checkpoint::PartialEpoch& epoch = state_.partial;
  const auto start = Clock::now();
  epoch.segments = segments();
  if (epoch.sums.losses.empty()) epoch.sums.losses = {0};
  setup_.training.optimiser().set_rate_factor(state_.rate_factor);
  const std::uint64_t first = epoch.segment * segment_steps();
  const std::uint64_t end = std::min(first + segment_steps(), setup_.training.steps());
  for (std::uint64_t step = first; step < end; ++step) {
    epoch.sums.losses[0] += setup_.training.run_step(static_cast<std::uint32_t>(state_.epoch), step);
    ++epoch.sums.steps;
    epoch.sums.terms += setup_.training.queries_of(step);
    progress.update(setup_.shard.manifest.query_count() / 2 * state_.epoch + epoch.sums.terms / 2);
  }
  const double seconds = seconds_since(start);
  epoch.seconds += seconds;
  epoch.longest_seconds = std::max(epoch.longest_seconds, seconds);
  saves_.segment_took(seconds);
  if (++epoch.segment == epoch.segments) end_epoch(progress, hooks);
}

void Run::end_epoch(Progress& progress, const train::TrainerHooks& hooks) {
  const checkpoint::PartialEpoch epoch = std::exchange(state_.partial, {});
  train::EpochRecord record;
  record.epoch = ++state_.epoch;
  record.loss = epoch.sums.losses[0] / static_cast<double>(epoch.sums.terms);
  record.learning_rate = setup_.training.optimiser().learning_rate();
  record.seconds = epoch.seconds;
  record.triples_per_second = static_cast<double>(setup_.shard.manifest.query_count()) / 2 / epoch.seconds;
  record.segments = epoch.segments;
  record.longest_segment_seconds = epoch.longest_seconds;
  record.saves = saves_.take_seconds();
  const auto sent = static_cast<std::int64_t>(setup_.comm.bytes_sent() - bytes_sent_);
  record.bytes_sent = static_cast<std::uint64_t>(setup_.comm.reduce(sent, comm::Reduction::kSum));
  bytes_sent_ = setup_.comm.bytes_sent();
  const StageTimes now = setup_.training.stage_times();
  for (std::size_t stage = 0; stage < kStageCount; ++stage)
    record.stages.seconds[stage] = now.seconds[stage] - stages_.seconds[stage];
  stages_ = now;
  last_loss_ = record.loss;
  if (hooks.validation && is_due(setup_.job.validate.every)) {
    train::Validation validation = hooks.validation();
    record.validation_mrr = validation.mrr;
    record.validation_hits = std::move(validation.hits);
    record.validation_filter = hooks.validation_filter;
    const bool goes_down = train::count_validation(state_, setup_.job, *record.validation_mrr);
    if (goes_down && setup_.comm.is_root())
      log::info("{} validations without a better one: the learning rate is {:.3g} from now on",
                setup_.job.schedule.patience, setup_.job.optimiser.learning_rate * state_.rate_factor);
  }
  this->record(hooks, record);
  if (setup_.comm.is_root()) log_epoch(progress);
}

void Run::record(const train::TrainerHooks& hooks, train::EpochRecord record) {
  std::array<std::int64_t, memory::kTagCount> peaks{};
  for (std::size_t tag = 0; tag < peaks.size(); ++tag)
    peaks[tag] = static_cast<std::int64_t>(setup_.training.pool().use(static_cast<memory::Tag>(tag)).peak_bytes);
  setup_.comm.all_reduce(peaks, comm::Reduction::kMax);
  for (std::size_t tag = 0; tag < peaks.size(); ++tag) record.peak_bytes[tag] = static_cast<std::uint64_t>(peaks[tag]);
  comm::on_root(setup_.comm, [&] {
    const Provenance now = current_provenance();
    record.end = {now.time_utc, now.host, job_id()};
    fault_point("metrics.append", setup_.comm.rank());
    if (hooks.require_folder) hooks.require_folder();
    metrics_->append(record);
  });
}

void Run::log_epoch(Progress& progress) const {
  progress.set_standing(train::last_validation(metrics_->records()));
  progress.finish();  // the line that a terminal shows makes room
  log::info("{}", train::epoch_line(metrics_->records(), {setup_.job.train.epochs, state_.best_epoch,
                                                          time_left_.seconds(static_cast<double>(state_.epoch))}));
}

// Collective. One of the ranks was asked to stop; rank 0 tells all whether its clock asks for a checkpoint.
bool Run::is_stop_asked(const train::TrainerHooks& hooks) {
  std::array<std::int64_t, 2> asked{hooks.stop != nullptr && hooks.stop->load() ? 1 : 0,
                                    setup_.comm.is_root() && saves_.is_time() ? 1 : 0};
  setup_.comm.all_reduce(asked, comm::Reduction::kMax);
  saves_.set_due(asked[1] != 0);
  return asked[0] != 0;
}

void Run::save(const train::TrainerHooks& hooks) {
  comm::on_root(setup_.comm, [&] {
    if (hooks.require_folder) hooks.require_folder();
  });
  const auto start = Clock::now();
  saves_.began(false);
  checkpoints_.save_manifest(
      setup_.comm, state_,
      [&](storage::FileWriter& manifest) {
        const graph::PartitionManifest& partition = setup_.shard.manifest;
        manifest.attribute("/", "graph_digest", partition.graph_digest);
        manifest.attribute("/", "partition_digest", partition.digest);
        manifest.attribute("/", "parts", std::uint64_t{partition.part_count()});
        manifest.attribute("/", "dim", setup_.job.model.dim);
        write_trained(manifest, model());
        manifest.write<float>(kState, setup_.training.optimiser_state(), {"optimiser state of the parameters"});
      },
      setup_.job.checkpoint.keep);
  comm::on_root(setup_.comm, [&] { metrics_->rebuild_hdf5(); });
  const double seconds = seconds_since(start);
  saves_.stopped_for(seconds);
  saves_.was_written(seconds);
  if (setup_.comm.is_root()) saves_.log_lead(state_.finished);
}

std::string Run::digest() const {
  const std::span<const float> values = setup_.training.parameters();
  const std::span<const float> state = setup_.training.optimiser_state();
  return storage::hash_values<storage::Digest>(
             std::array{storage::hash_values<float>(values), storage::hash_values<float>(state)})
      .hex();
}

}  // namespace tessera::propagation
