// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "foreign/import_model.hpp"

#include "checkpoint/model_file.hpp"
#include "core/error.hpp"
#include "core/progress.hpp"
#include "foreign/name_table.hpp"
#include "foreign/tensor_file.hpp"
#include "kernels/formulas.hpp"
#include "storage/checksum.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

namespace tessera::foreign {
namespace {

/// The reals of one number of a row whose parts may be interleaved.
std::size_t units_of(const model::Scorer& scorer) {
  if (scorer.formula() == kernels::Formula::kQuatE) return 4;
  return scorer.is_complex() ? 2 : 1;
}

/// A matrix whose rows come as Tessera has them.
class Table {
 public:
  Table(const std::string& file, const model::Scorer& scorer, Parts parts)
      : file_(file), units_(file_.is_complex() ? 2 : units_of(scorer)) {
    is_interleaved_ = units_ > 1 && (file_.is_complex() || parts == Parts::kInterleaved);
    if (file_.is_complex() && units_of(scorer) != 2)
      fail(ExitStatus::kUsage, "'{}' has complex numbers, and the rows of model '{}' are not complex", file,
           scorer.name());
    if (file_.cols() % units_ != 0)
      fail(ExitStatus::kUsage, "'{}' has rows of {} numbers, which is no multiple of {}", file, file_.cols(), units_);
  }

  void read(std::uint64_t i, std::span<float> out) {
    file_.read(i, out);
    if (is_interleaved_) to_halves(out, units_, scratch_);
    for (const float value : out)
      if (!std::isfinite(value)) fail(ExitStatus::kBadData, "'{}': row {} has {}", file_.name(), i, value);
  }
  [[nodiscard]] std::uint64_t rows() const { return file_.rows(); }
  [[nodiscard]] std::uint64_t cols() const { return file_.cols(); }
  [[nodiscard]] const std::string& name() const { return file_.name(); }

 private:
  TensorFile file_;
  std::size_t units_;
  bool is_interleaved_ = false;
  std::vector<float> scratch_;
};

/// Relation rows of all directed relations [2 R, relation dim].
class Relations {
 public:
  Relations(const ForeignModel& from, const model::Scorer& scorer, const graph::GraphReader& graph, std::size_t dim)
      : scorer_(scorer),
        from_(from),
        table_(from.relations, scorer, from.parts),
        dim_(dim),
        relation_dim_(kernels::relation_dim(scorer.formula(), dim)),
        names_(read_names(from.relation_names, graph.relation_names(), "relation", table_.rows())) {
    if (table_.rows() != names_.rows && table_.rows() != 2 * names_.rows)
      fail(ExitStatus::kUsage,
           "'{}' has {} rows for the {} names of '{}'; there is one per relation, or two with inverses", from.relations,
           table_.rows(), names_.rows, from.relation_names);
    const bool are_turns = scorer.has_phases() && table_.cols() == 2 * relation_dim_;
    if (table_.cols() != relation_dim_ && !are_turns)
      fail(ExitStatus::kUsage, "'{}' has rows of {} numbers; model '{}' of dim {} has relations of {}", from.relations,
           table_.cols(), scorer.name(), dim, relation_dim_);
  }

  [[nodiscard]] bool has_inverses() const { return table_.rows() == 2 * names_.rows; }
  [[nodiscard]] std::size_t relation_dim() const { return relation_dim_; }
  [[nodiscard]] const NameTable& names() const { return names_; }

  std::vector<float> read() {
    const std::size_t count = names_.row_of.size();
    std::vector<float> rows(2 * count * relation_dim_);
    const auto row = [&](std::size_t directed) {
      return std::span(rows).subspan(directed * relation_dim_, relation_dim_);
    };
    for (std::size_t r = 0; r < count; ++r) {
      const std::uint64_t at = names_.row_of[r];
      const bool interleaved = has_inverses() && from_.inverses == Inverses::kInterleaved;
      read_row(interleaved ? 2 * at : at, row(r));
      if (has_inverses()) {
        read_row(interleaved ? 2 * at + 1 : at + names_.rows, row(r + count));
      } else {
        const std::vector<float> inverse = inverse_row(scorer_, row(r), dim_);
        std::copy(inverse.begin(), inverse.end(), row(r + count).begin());
      }
    }
    return rows;
  }

 private:
  void read_row(std::uint64_t i, std::span<float> out) {
    if (table_.cols() == out.size()) return table_.read(i, out);
    turns_.resize(table_.cols());
    table_.read(i, turns_);
    to_angles(turns_, out, fmt::format("'{}', row {}", table_.name(), i));
  }

  const model::Scorer& scorer_;
  const ForeignModel& from_;
  Table table_;
  std::size_t dim_;
  std::size_t relation_dim_;
  NameTable names_;
  std::vector<float> turns_;  // complex numbers that are angles here
};

void check_dim(const Table& entities, const model::Scorer& scorer) {
  if (scorer.has_core())
    fail(ExitStatus::kUsage, "model '{}' has a core besides its rows; it cannot be imported", scorer.name());
  if (entities.cols() % scorer.dim_unit() != 0)
    fail(ExitStatus::kUsage, "'{}' has rows of {} numbers; those of model '{}' are a multiple of {}", entities.name(),
         entities.cols(), scorer.name(), scorer.dim_unit());
}

void check_names(const Table& table, const NameTable& names, const std::string& file) {
  if (names.rows != table.rows())
    fail(ExitStatus::kUsage, "'{}' has {} rows, and '{}' has {} names", table.name(), table.rows(), file, names.rows);
}

void write_entities(Table& table, const NameTable& names, checkpoint::ModelFileWriter& file) {
  const std::size_t dim = table.cols();
  std::vector<float> block;
  Progress progress("Writing", names.row_of.size(), "rows");
  for (std::uint64_t first = 0; first < names.row_of.size(); first += checkpoint::kBlockRows) {
    const std::uint64_t count = std::min<std::uint64_t>(checkpoint::kBlockRows, names.row_of.size() - first);
    block.resize(count * dim);
    for (std::uint64_t i = 0; i < count; ++i)
      table.read(names.row_of[first + i], std::span(block).subspan(i * dim, dim));
    file.append(block, 1);
    progress.update(first + count);
  }
  progress.finish();
}

}  // namespace

ImportedModel import_model(const ForeignModel& from, const graph::GraphReader& graph, kernels::RowFormat rows,
                           const std::filesystem::path& folder) {
  const model::Scorer& scorer = model::find_scorer(from.model);
  Table entities(from.entities, scorer, from.parts);
  check_dim(entities, scorer);
  const storage::StringBlocks names = graph.entity_names();
  const NameTable table = read_names(from.entity_names, names, "entity", entities.rows());
  check_names(entities, table, from.entity_names);
  Relations relations(from, scorer, graph, entities.cols());
  checkpoint::ModelShape shape{
      from.model,    entities.cols(), relations.relation_dim(), 0, names.size(), graph.relation_names().size(),
      graph.digest()};
  const std::string path = from.entities.substr(0, from.entities.rfind(':'));
  const bool is_tensor = std::filesystem::exists(path) && path != from.entities;
  checkpoint::ModelOrigin origin;
  origin.run = std::filesystem::absolute(from.entities).string();
  origin.digest = storage::hash_file(is_tensor ? path : from.entities).hex();
  checkpoint::ModelFileWriter file(folder / checkpoint::kModelFile, shape, std::span(&origin, 1), rows);
  file.write_relations(relations.read(), {});
  file.write_names("/entities", names);
  file.write_names("/relations", graph.relation_names());
  write_entities(entities, table, file);
  file.close();
  return {shape.dim,
          shape.entity_count,
          shape.relation_count,
          table.left_out,
          relations.names().left_out,
          relations.has_inverses() ? relations.names().rows : 0,
          relations.has_inverses() && relations.names().has_title && from.inverses == Inverses::kHalves,
          table.form,
          relations.names().form};
}

}  // namespace tessera::foreign
