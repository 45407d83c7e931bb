// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "core/job.hpp"
#include "graph/shard.hpp"
#include "kernels/backend.hpp"
#include "memory/pool.hpp"
#include "model/part_table.hpp"
#include "model/scorer.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace tessera::model {

/// Columns of an optimiser state: none, the row's, one, twice the row's.
enum class StateShape { kNone, kPerElement, kPerRow, kTwoPerElement };

/// The numbers that training changes: entity rows by part, all relation rows and the core on every rank, and optimiser
/// states.
class Parameters {
 public:
  /// Memory for the parts of `shard`, zeroed.
  Parameters(const graph::Shard& shard, const Job::Model& model, StateShape state, memory::Pool& pool,
             const RowMemory& row_memory = {});

  [[nodiscard]] const Scorer& scorer() const { return *scorer_; }
  [[nodiscard]] std::size_t dim() const { return dim_; }
  [[nodiscard]] std::vector<PartTable>& parts() { return parts_; }
  [[nodiscard]] const std::vector<PartTable>& parts() const { return parts_; }
  /// A table will not be used for a while: where it lies outside of the pool, its memory is given back until it is.
  void put_away(const PartTable& table) const;
  /// Whether tables lie outside of the pool: passes over all rows should read them some at a time.
  [[nodiscard]] bool is_in_files() const { return store_ != nullptr; }
  [[nodiscard]] TableStore* store() const { return store_; }  ///< null: tables are in the pool
  [[nodiscard]] const PartTable& part(PartId id) const { return parts_.at(id.index() - parts_.front().part.index()); }
  [[nodiscard]] kernels::Matrix relations() const { return relations_; }  ///< [2R, relation dim]
  [[nodiscard]] kernels::Matrix relation_state() const { return relation_state_; }
  /// [relation dim, operator dim]; in TuckER row a is W[a], by source element, then target element. Empty without one.
  [[nodiscard]] kernels::Matrix core() const { return core_; }
  [[nodiscard]] kernels::Matrix core_state() const { return core_state_; }

  /// The operators of relations [2R, operator dim], for scorers: the relation rows, or, with a core, the last result of
  /// make_operators().
  [[nodiscard]] kernels::ConstMatrix operators() const { return operators_.data != nullptr ? operators_ : relations_; }
  /// Where make_operators() puts them; empty without a core. A training step may keep operators of its own there.
  [[nodiscard]] kernels::Matrix operator_memory() const { return operators_; }
  /// Relation rows times the core; nothing without one. To be called when either has changed and before queries are
  /// composed. `relations` are distinct; without them, all. The same bits on any number of threads.
  void make_operators(std::span<const std::uint32_t> relations, const kernels::Backend& backend,
                      std::size_t threads) const;
  void make_operators(const kernels::Backend& backend, std::size_t threads) const;

  /// Draws every row from (seed, part, row) in fp32, and stores it rounded to the nearest. Chooses the hot rows; slots
  /// ascend with rows. Relations and the core come from streams of their own. Ranks cannot change it.
  void initialise(const Job::Model& model, std::uint64_t seed);

  /// From now on there is an average of the rows, which are in fp32: memory for as many rows and relations again.
  void keep_average(const graph::Shard& shard, const Job::Model& model, memory::Pool& pool);
  /// average += (1 - decay) * (rows - average), also of relations and core; with decay 0 the average is the rows.
  void update_average(double decay);
  [[nodiscard]] Parameters* average() { return average_.get(); }  ///< null when none is kept
  [[nodiscard]] const Parameters* average() const { return average_.get(); }
  /// The parameters that are ranked and searched: the average where one is kept.
  [[nodiscard]] const Parameters& served() const { return average_ ? *average_ : *this; }

 private:
  std::byte* allocate(memory::Pool& pool, memory::Tag tag, std::size_t bytes);
  [[nodiscard]] PartTable shape_table(const graph::Part& part, StateShape state, const RowMemory& memory) const;
  PartTable allocate_table(PartTable table, memory::Pool& pool, const RowMemory& memory);

  const Scorer* scorer_;
  std::size_t dim_;
  std::vector<memory::Buffer<std::byte>> memory_;
  std::vector<PartTable> parts_;
  TableStore* store_;
  kernels::Matrix relations_;
  kernels::Matrix relation_state_;
  kernels::Matrix core_;
  kernels::Matrix core_state_;
  kernels::Matrix operators_;          // with a core
  kernels::Matrix chosen_relations_;   // with a core: scratch of make_operators()
  memory::Buffer<std::uint32_t> all_;  // with a core: 0 .. 2R - 1
  std::unique_ptr<Parameters> average_;
};

/// Bytes of the entity rows of a rank, and of its hot rows.
std::uint64_t row_bytes(const graph::Shard& shard, const Job::Model& model, const RowMemory& memory);

/// Columns of the state of rows of `dim` columns.
std::size_t state_columns(StateShape shape, std::size_t dim);

/// The state that an optimiser of that name keeps.
StateShape state_shape(const std::string& optimiser);

}  // namespace tessera::model
