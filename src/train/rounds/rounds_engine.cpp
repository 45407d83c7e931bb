// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/rounds/rounds_engine.hpp"

#include "comm/agreement.hpp"
#include "core/error.hpp"
#include "core/fault.hpp"
#include "core/parallel.hpp"
#include "core/text.hpp"
#include "train/epoch_loss.hpp"

#include <algorithm>
#include <utility>

namespace tessera::train {
namespace {

void copy(kernels::ConstMatrix from, kernels::Matrix to) {
  std::copy_n(from.data, from.rows * from.cols, to.data);  // whole tables: no gaps between rows
}

// All that is not of an entity.
void copy_relations(const model::Parameters& from, const model::Parameters& to) {
  copy(from.relations(), to.relations());
  copy(from.relation_state(), to.relation_state());
  copy(from.core(), to.core());
  copy(from.core_state(), to.core_state());
}

/// A graph of one rank whose parts have `rows` rows each, and no queries.
graph::Shard hollow_shard(const graph::PartitionManifest& whole, std::uint32_t parts, std::uint64_t rows,
                          memory::Pool& pool) {
  graph::PartitionManifest manifest;
  manifest.relation_count = whole.relation_count;
  for (std::uint64_t p = 0; p <= parts; ++p) manifest.offsets.push_back(p * rows);
  manifest.entity_count = manifest.offsets.back();
  manifest.figures.assign(parts, {rows, 0, 0, 0});
  graph::Shard shard{std::move(manifest), graph::Placement(parts, 1), Rank(0), {}};
  for (std::uint32_t p = 0; p < parts; ++p)
    shard.parts.push_back(graph::Part::made(shard.manifest, PartId(p), {}, pool));
  return shard;
}

std::uint64_t largest_part(const graph::PartitionManifest& manifest) {
  std::uint64_t rows = 0;
  for (std::uint32_t p = 0; p < manifest.part_count(); ++p) rows = std::max(rows, manifest.rows(PartId(p)));
  return rows;
}

// Bytes of a row, its state, and its share of the hot rows.
double bytes_of_entity(const Job& job) {
  const model::RowMemory memory = row_formats(job);
  const double hot = memory.format == kernels::RowFormat::kInt8 ? memory.hot_fraction : 0;
  const std::size_t columns = model::state_columns(model::state_shape(job.optimiser.name), job.model.dim);
  const auto format = columns == job.model.dim ? memory.state_format : kernels::StateFormat::kFp32;
  return static_cast<double>(kernels::row_bytes(memory.format, job.model.dim) + kernels::state_bytes(format, columns)) +
         hot * static_cast<double>(job.model.dim * sizeof(float));
}

}  // namespace

std::string choose_resident_parts(const Job& job, const graph::PartitionManifest& manifest, std::int32_t ranks,
                                  std::uint64_t room_bytes) {
  const std::uint32_t parts = manifest.part_count();
  const double part_bytes = static_cast<double>(largest_part(manifest)) * bytes_of_entity(job);
  const auto fits = [&](std::uint32_t held) {  // of all ranks; a rank has one more than others at the most
    const std::uint32_t of_rank = (held + static_cast<std::uint32_t>(ranks) - 1) / static_cast<std::uint32_t>(ranks);
    return of_rank * part_bytes <= static_cast<double>(room_bytes);
  };
  if (fits(parts)) return "all";
  for (std::uint32_t resident = parts - 1; resident >= static_cast<std::uint32_t>(std::max(2, ranks)); --resident) {
    const std::uint32_t group = RoundOrder::group_size(parts, resident);
    const std::uint32_t spare = std::max(group, static_cast<std::uint32_t>(ranks));
    if (resident / group <= 8 && fits(resident + spare)) return std::to_string(resident);
  }
  fail(ExitStatus::kOverBudget,
       "no two parts of {} fit into {} for each of {} ranks: partition the graph into more parts, or use smaller rows "
       "(run.rows)",
       text::bytes(static_cast<std::uint64_t>(part_bytes)), text::bytes(room_bytes), ranks);
}

SlotTables::SlotTables(const Job& job, const graph::PartitionManifest& whole, const graph::Placement& slots, Rank rank,
                       memory::Pool& pool)
    : own(slots.part_count(rank)), memory(row_formats(job)) {
  const std::uint32_t places = slots.part_count() / RoundOrder::group_size(whole.part_count(), slots.part_count());
  const std::uint32_t tables = own + (own + places - 1) / places;
  std::uint64_t halo = 0;  // rows for the queries of a step, and negatives, at the most
  if (job.exchange.mode == "rows") halo = job.train.batch_size + job.negatives.count;
  memory.spare_rows.assign(tables, halo);
  const graph::Shard largest = hollow_shard(whole, tables, largest_part(whole), pool);
  parameters =
      std::make_unique<model::Parameters>(largest, job.model, model::state_shape(job.optimiser.name), pool, memory);
}

RoundsEngine::RoundsEngine(const EngineSetup& setup, WorkingCopy& tables, const std::filesystem::path& partition)
    : setup_(setup),
      files_(tables),
      graphs_({setup.comm, setup.shard, partition, resident_parts(setup.job), setup.job.run.seed, setup.threads,
               setup.pool}),
      optimiser_(setup.job.optimiser, setup.job.schedule),
      resident_(comm::together(setup.comm,
                               [&] {
                                 return SlotTables(setup.job, setup.shard.manifest, graphs_.placement(),
                                                   setup.comm.rank(), setup.pool);
                               })),
      tables_(resident_.parameters->parts()),
      changed_(setup.shard.manifest.part_count(), true) {
  for (std::size_t t = 0; t < tables_.size(); ++t) (t < resident_.own ? slots_ : spare_).push_back({t, PartId(0)});
}

RoundsEngine::~RoundsEngine() {
  if (moves_.valid()) moves_.wait();
}

std::string RoundsEngine::description() const {
  const std::uint32_t parts = setup_.shard.manifest.part_count();
  const std::uint32_t resident = graphs_.placement().part_count();
  return fmt::format("{} of {} parts in memory, {} rounds per epoch; {}", resident, parts,
                     RoundOrder::swaps(parts, resident) + 1, inner_);
}

void RoundsEngine::upload() {
  if (!are_uploaded_) copy_relations(setup_.parameters, *resident_.parameters);
  are_uploaded_ = true;
}

void RoundsEngine::download_parameters() {
  copy_relations(*resident_.parameters, setup_.parameters);
  if (!ready_for_) return;
  comm::together(setup_.comm, [&] { write_all(); });
  just_left_.clear();
}

// ---- parts and their memory

PartId RoundsEngine::part_of(std::size_t round, std::size_t own_slot) const {
  const std::uint32_t first = graphs_.placement().first_part(setup_.comm.rank()).value();
  return graphs_.order().part(round, first + static_cast<std::uint32_t>(own_slot));
}

model::PartTable RoundsEngine::table_of(const Held& held) const {
  const std::uint64_t rows = setup_.shard.manifest.rows(held.part);
  return model::with_rows(tables_[held.table], rows, resident_.memory.spare_rows.front(),
                          resident_.memory.hot_rows(rows));
}

// Parts of all ranks that are in memory in a round, and not in the next one.
std::vector<PartId> RoundsEngine::leaving(std::size_t round) const {
  std::vector<PartId> parts;
  for (std::uint32_t slot = 0; slot < graphs_.placement().part_count(); ++slot)
    if (graphs_.order().part(round, slot) != graphs_.order().part(round + 1, slot))
      parts.push_back(graphs_.order().part(round, slot));
  return parts;
}

void RoundsEngine::plan_changes(std::size_t round) {
  changes_.clear();
  if (round + 1 == graphs_.order().rounds()) return;
  for (std::size_t s = 0; s < slots_.size(); ++s) {
    const PartId next = part_of(round + 1, s);
    if (next == slots_[s].part) continue;
    const bool is_in_file = std::find(just_left_.begin(), just_left_.end(), next) == just_left_.end();
    changes_.push_back({s, next, is_in_file});
  }
  TESSERA_ASSERT(changes_.size() <= spare_.size(), "a spare table for each slot that changes");
}

// Collective. The slots get their parts: from their files, unless the round before has left them here.
void RoundsEngine::open_round(std::uint32_t epoch, std::size_t round) {
  if (std::exchange(ready_for_, std::nullopt) == std::pair(epoch, round)) return;
  graphs_.begin_epoch(epoch);
  just_left_.clear();
  to_write_ = 0;
  comm::together(setup_.comm, [&] {
    parallel_for(slots_.size(), setup_.threads, [&](std::size_t s) {
      slots_[s].part = part_of(round, s);
      files_.read(slots_[s].part, table_of(slots_[s]));
    });
  });
}

// Parts in memory that are newer than their files.
void RoundsEngine::write_all() {
  for (const Held& held : slots_) files_.write(held.part, table_of(held));
  for (std::size_t i = 0; i < to_write_; ++i) files_.write(spare_[i].part, table_of(spare_[i]));
  to_write_ = 0;
}

// A thread writes what left memory, then reads what comes next into the same memory.
void RoundsEngine::move_ahead(std::size_t round) {
  plan_changes(round);
  std::vector<Held> writes(spare_.begin(), spare_.begin() + static_cast<std::ptrdiff_t>(to_write_));
  std::vector<Held> reads;
  for (std::size_t i = 0; i < changes_.size(); ++i)
    if (changes_[i].is_read_ahead) reads.push_back({spare_[i].table, changes_[i].part});
  to_write_ = 0;
  moves_ = std::async(std::launch::async, [this, writes = std::move(writes), reads = std::move(reads)] {
    fault_point("rounds.move", setup_.comm.rank());
    for (const Held& held : writes) files_.write(held.part, table_of(held));
    for (const Held& held : reads) files_.read(held.part, table_of(held));
  });
}

// Collective. All parts that left memory before this round are in their files now.
void RoundsEngine::finish_moves() {
  comm::together(setup_.comm, [&] {
    if (moves_.valid()) moves_.get();
  });
}

// The changing slots get their parts.
void RoundsEngine::take_changes() {
  comm::together(setup_.comm, [&] {
    for (std::size_t i = 0; i < changes_.size(); ++i) {
      const Held next{spare_[i].table, changes_[i].part};
      if (!changes_[i].is_read_ahead) files_.read(next.part, table_of(next));
      spare_[i] = std::exchange(slots_[changes_[i].own_slot], next);
    }
  });
  to_write_ = changes_.size();
}

void RoundsEngine::seat_tables(const graph::Shard& shard) {
  resident_.parameters->parts().clear();
  for (std::size_t s = 0; s < slots_.size(); ++s) {
    model::PartTable table = table_of(slots_[s]);
    table.part = shard.parts[s].id();
    resident_.parameters->parts().push_back(table);
  }
}

// ---- a round

std::uint64_t RoundsEngine::segments() const {
  return RoundOrder::swaps(setup_.shard.manifest.part_count(), graphs_.placement().part_count()) + 1;
}

Pass RoundsEngine::pass_of(std::uint32_t epoch, std::size_t round, const EpochSums& sums) const {
  const std::uint64_t queries = setup_.shard.manifest.query_count();
  const std::uint64_t batch = setup_.job.train.batch_size;
  const std::uint64_t rounds = segments();
  Pass pass;
  pass.epoch = epoch;
  pass.number = epoch * static_cast<std::uint32_t>(rounds) + static_cast<std::uint32_t>(round);
  pass.epoch_steps = (queries + batch - 1) / batch + rounds;
  pass.steps_of_epoch = sums.steps;
  pass.steps_of_run = epoch * pass.epoch_steps + sums.steps;
  pass.queries_of_run = epoch * queries + sums.terms;
  return pass;
}

void RoundsEngine::run_round(const graph::Shard& shard, Pass pass, EpochSums& sums, Progress* progress) {
  seat_tables(shard);
  EngineSetup setup{setup_.comm, shard, setup_.job,         *resident_.parameters, setup_.threads,     setup_.backend,
                    setup_.pool, {},    setup_.device_pool, setup_.links,          setup_.device_ranks};
  setup.items = sampling::count_items(setup_.comm, shard, setup_.job);
  const graph::PartitionManifest& whole = setup_.shard.manifest;
  setup.round = RoundOrder::round_of(whole.part_count(), graphs_.placement().part_count(), whole.entity_count);
  const auto engine = comm::together(setup_.comm, [&] { return make_engine(setup); });
  engine->optimiser().set_rate_factor(optimiser_.rate_factor());
  pass.end_step = engine->steps();
  EpochSums of_round;
  engine->run_pass(pass, of_round, progress);
  if (engine->holds_parameters()) engine->download_parameters();
  times_ = engine->stage_times();
  inner_ = engine->description();
  optimiser_.begin_step(pass.steps_of_run + engine->steps() - 1, pass.epoch_steps);
  sums.steps += engine->steps();
  sums.losses.front() += mean_loss(of_round) * static_cast<double>(shard.manifest.query_count());
}

// Collective. The next round gets its parts; after the last one, all are in their files.
void RoundsEngine::close_round(std::size_t round) {
  const bool is_last = round + 1 == graphs_.order().rounds();
  finish_moves();
  just_left_ = is_last ? std::vector<PartId>{} : leaving(round);
  take_changes();
  if (is_last) comm::together(setup_.comm, [&] { write_all(); });
}

void RoundsEngine::note_changes(std::size_t round) {
  for (std::uint32_t slot = 0; slot < graphs_.placement().part_count(); ++slot)
    changed_[graphs_.order().part(round, slot).index()] = true;
}

void RoundsEngine::run_segment(std::uint32_t epoch, std::uint64_t segment, EpochSums& sums, Progress* progress) {
  upload();
  times_ = {};
  if (sums.losses.empty()) sums.losses.assign(1, 0);
  open_round(epoch, segment);
  note_changes(segment);
  move_ahead(segment);
  const graph::Shard shard = graphs_.make(segment);
  if (shard.manifest.query_count() > 0) run_round(shard, pass_of(epoch, segment, sums), sums, progress);
  sums.terms += shard.manifest.query_count();
  close_round(segment);
  if (segment + 1 < segments()) ready_for_.emplace(epoch, segment + 1);
}

}  // namespace tessera::train
