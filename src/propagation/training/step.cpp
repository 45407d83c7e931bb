// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "propagation/training/step.hpp"

#include "comm/agreement.hpp"
#include "core/error.hpp"
#include "core/fault.hpp"
#include "core/parallel.hpp"
#include "core/text.hpp"
#include "search/setup.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

namespace tessera::propagation {
namespace {

using memory::Tag;

constexpr std::size_t kRowWidth = 64;  // parameters are rows of so many numbers for the optimiser
constexpr std::size_t kRowsAtOnce = 64;

std::size_t rows_of(std::size_t count) { return (count + kRowWidth - 1) / kRowWidth; }
std::size_t blocks_of(std::size_t queries) { return (queries + kBlockQueries - 1) / kBlockQueries; }

/// Adds its life to a stage.
class Timer {
 public:
  Timer(StageTimes& times, Stage stage) : seconds_(times.of(stage)) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  double& seconds_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

Training::Training(comm::Communicator& comm, const MessageGraph& graph, Learner& learner, const Job& job,
                   memory::Pool& pool, std::size_t threads)
    : comm_(comm),
      graph_(graph),
      learner_(learner),
      pool_(pool),
      draw_(graph, job.run.seed, job.train.batch_size),
      removal_(find_removal(job.propagation.removed)),
      batch_size_(job.train.batch_size),
      optimiser_(job.optimiser, job.schedule),
      threads_(threads),
      seen_(graph, pool) {
  batch_size_ = std::min<std::size_t>(batch_size_, graph.edge_count());
  take_memory(threads);
}

/// Without workers.
std::uint64_t Training::step_bytes(std::size_t batch) const {
  const std::uint64_t parameters = rows_of(learner_.list().size()) * kRowWidth;
  const std::uint64_t shared = blocks_of(batch) * learner_.shared_count();
  const std::uint64_t rows = batch * learner_.row_count();
  const std::uint64_t copies = comm_.size() > 1 ? 2 : 1;
  return 5 * search::host_bytes<float>(parameters) +
         copies * (search::host_bytes<float>(shared) + search::host_bytes<float>(rows));
}

std::size_t Training::largest_batch(std::uint64_t room) const {
  std::size_t fits = 0;
  for (std::size_t step = std::size_t{1} << 30U; step > 0; step /= 2)
    if (step_bytes(fits + step) <= room) fits += step;
  return fits;
}

void Training::take_memory(std::size_t threads) {
  const std::uint64_t room = pool_.free_bytes() / 4 * 3;  // validations need some
  const std::uint64_t one = learner_.worker_bytes();
  const std::uint64_t all = step_bytes(batch_size_);
  if (all + one > room) {
    const std::size_t fits = one > room ? 0 : largest_batch(room - one);
    fail(ExitStatus::kOverBudget,
         "a step of {} queries takes {} of memory, and training may have {} of the {} that are free (in use: {}). {}",
         batch_size_, text::bytes(all + one), text::bytes(room), text::bytes(pool_.free_bytes()), pool_.describe(),
         fits == 0 ? "Raise run.memory, or lower model.dim or propagation.layers"
                   : fmt::format("train.batch_size={} fits; or raise run.memory", fits));
  }
  workers_ = std::clamp<std::size_t>((room - all) / one, 1, threads);
  learner_.take_workers(workers_, pool_);
  const std::size_t rows = rows_of(learner_.list().size());
  values_ = pool_.allocate<float>(Tag::kRows, rows * kRowWidth);
  transposed_ = pool_.allocate<float>(Tag::kRows, rows * kRowWidth);
  gradients_ = pool_.allocate<float>(Tag::kGradients, rows * kRowWidth);
  state_ = pool_.allocate<float>(Tag::kState, 2 * rows * kRowWidth);
  blocks_ = pool_.allocate<float>(Tag::kExchange, blocks_of(batch_size_) * learner_.shared_count());
  rows_ = pool_.allocate<float>(Tag::kExchange, batch_size_ * learner_.row_count());
  losses_.resize(batch_size_);
  if (comm_.size() == 1) return;
  own_blocks_ = pool_.allocate<float>(Tag::kExchange, blocks_.size());
  own_rows_ = pool_.allocate<float>(Tag::kExchange, rows_.size());
}

void Training::refresh() {
  learner_.list().transpose(values_.span(), transposed_.span());
  learner_.use(values_.span(), transposed_.span());
}

std::uint64_t Training::queries_of(std::uint64_t step) const {
  return std::min<std::uint64_t>(batch_size_, graph_.edge_count() - step * batch_size_);
}

/// Blocks from there on are of the rank, up to those of the next one.
std::size_t Training::first_block(std::size_t blocks, std::int32_t rank) const {
  return blocks * static_cast<std::size_t>(rank) / static_cast<std::size_t>(comm_.size());
}

void Training::run_blocks(const StepQueries& step) {
  const Timer timer(stages_, Stage::kGradients);
  const std::size_t queries = step.queries.size();
  const std::size_t first = first_block(blocks_of(queries), comm_.rank().value());
  const std::size_t end = first_block(blocks_of(queries), comm_.rank().value() + 1);
  const bool is_alone = comm_.size() == 1;
  const std::span<float> blocks = is_alone ? blocks_.span() : own_blocks_.span();
  const std::span<float> rows = is_alone ? rows_.span() : own_rows_.span();
  const std::size_t shared = learner_.shared_count();
  parallel_for(end - first, workers_, [&](std::size_t b, std::size_t worker) {
    BlockResult out{(first + b) * kBlockQueries, 0, blocks.subspan(b * shared, shared), {}, {}};
    out.count = std::min(kBlockQueries, queries - out.first);
    out.rows = rows.subspan(b * kBlockQueries * learner_.row_count(), out.count * learner_.row_count());
    out.losses = std::span(losses_).subspan(out.first, out.count);
    std::fill(out.shared.begin(), out.shared.end(), 0.0F);
    std::fill(out.rows.begin(), out.rows.end(), 0.0F);
    learner_.run_block(step, worker, out);
  });
}

/// All ranks get the gradients of all blocks.
void Training::exchange(std::size_t queries) {
  if (comm_.size() == 1) return;
  const Timer timer(stages_, Stage::kExchange);
  const auto gather = [&]<class T>(std::span<const T> in, std::span<T> out, std::size_t per_block, std::size_t most) {
    std::vector<std::uint64_t> counts;
    for (std::int32_t rank = 0; rank < comm_.size(); ++rank) {
      const std::size_t first = first_block(blocks_of(queries), rank) * per_block;
      const std::size_t end = first_block(blocks_of(queries), rank + 1) * per_block;
      counts.push_back((std::min(end, most) - std::min(first, most)) * sizeof(T));
    }
    comm_.all_gather(std::as_bytes(in.first(counts[static_cast<std::size_t>(comm_.rank().value())] / sizeof(T))),
                     std::as_writable_bytes(out.first(most)), counts);
  };
  const std::size_t shared = learner_.shared_count();
  const std::size_t rows = learner_.row_count();
  gather(std::span<const float>(own_blocks_.span()), blocks_.span(), shared, blocks_of(queries) * shared);
  if (rows > 0) gather(std::span<const float>(own_rows_.span()), rows_.span(), kBlockQueries * rows, queries * rows);
  const std::size_t first = std::min(first_block(blocks_of(queries), comm_.rank().value()) * kBlockQueries, queries);
  const std::vector<double> own(losses_.begin() + static_cast<std::ptrdiff_t>(first), losses_.end());
  gather(std::span<const double>(own), std::span(losses_), kBlockQueries, queries);
}

/// One chain over the blocks for each number.
void Training::add_up(const StepQueries& step) {
  const Timer timer(stages_, Stage::kUpdate);
  const std::size_t shared = learner_.shared_count();
  const std::size_t blocks = blocks_of(step.queries.size());
  constexpr std::size_t kAtOnce = 4096;
  std::fill(gradients_.span().begin() + static_cast<std::ptrdiff_t>(shared), gradients_.span().end(), 0.0F);
  parallel_for((shared + kAtOnce - 1) / kAtOnce, threads_, [&](std::size_t piece) {
    const std::size_t first = piece * kAtOnce;
    const std::size_t count = std::min(kAtOnce, shared - first);
    float* const to = gradients_.data() + first;
    std::copy_n(blocks_.data() + first, count, to);
    for (std::size_t b = 1; b < blocks; ++b) {
      const float* const from = blocks_.data() + b * shared + first;
      for (std::size_t i = 0; i < count; ++i) to[i] += from[i];
    }
  });
  learner_.finish(step, rows_.span().first(step.queries.size() * learner_.row_count()), threads_, gradients_.span());
}

void Training::update(std::uint64_t number) {
  {
    const Timer timer(stages_, Stage::kUpdate);
    optimiser_.begin_step(number, steps());
    const std::size_t rows = values_.size() / kRowWidth;
    const kernels::Matrix table{values_.data(), rows, kRowWidth, kRowWidth};
    const kernels::Matrix state{state_.data(), rows, 2 * kRowWidth, 2 * kRowWidth};
    const kernels::ConstMatrix gradients{gradients_.data(), rows, kRowWidth, kRowWidth};
    parallel_for((rows + kRowsAtOnce - 1) / kRowsAtOnce, threads_, [&](std::size_t piece) {
      const std::size_t first = piece * kRowsAtOnce;
      std::vector<std::uint32_t> indices(std::min(kRowsAtOnce, rows - first));
      std::iota(indices.begin(), indices.end(), static_cast<std::uint32_t>(first));
      optimiser_.apply(kernels::cpu_backend(), gradients.block(first, indices.size()), indices, table, state);
    });
  }
  const Timer timer(stages_, Stage::kCompose);
  refresh();
}

void Training::require_finite(double loss) const {
  if (std::isfinite(loss)) return;
  throw comm::AgreedError(ExitStatus::kBadData,
                          "the loss is no number any more; earlier checkpoints stay; try a lower "
                          "optimiser.learning_rate in another run");
}

double Training::run_step(std::uint32_t epoch, std::uint64_t step) {
  fault_point("train.step", comm_.rank());
  std::vector<TrainQuery> queries;
  {
    const Timer timer(stages_, Stage::kDraw);
    queries = draw_.queries(epoch, step);
    seen_.remove(queries, removal_);
  }
  const StepQueries of{queries, draw_, epoch, step * batch_size_, seen_.edges()};
  run_blocks(of);
  exchange(queries.size());
  double loss = 0;
  for (std::size_t i = 0; i < queries.size(); ++i) loss += losses_[i];
  require_finite(loss);
  add_up(of);
  update(epoch * steps() + step);
  return loss;
}

}  // namespace tessera::propagation
