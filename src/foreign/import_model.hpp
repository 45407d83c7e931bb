// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "foreign/row_layout.hpp"
#include "graph/graph_reader.hpp"
#include "kernels/stored_rows.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace tessera::foreign {

/// Vectors of another program.
struct ForeignModel {
  std::string model;     ///< name of the scorer
  std::string entities;  ///< files of matrices, as TensorFile names them
  std::string relations;
  std::string entity_names;  ///< files of names
  std::string relation_names;
  Parts parts = Parts::kHalves;
  Inverses inverses = Inverses::kHalves;
};

/// What was read.
struct ImportedModel {
  std::uint64_t dim = 0;
  std::uint64_t entities = 0;
  std::uint64_t relations = 0;
  std::uint64_t entities_left_out = 0;  ///< rows of names that the graph does not have
  std::uint64_t relations_left_out = 0;
  std::uint64_t inverse_rows = 0;   ///< names of the relations, if the file had twice as many rows; else 0
  bool may_be_interleaved = false;  ///< it had, and the names look like those of PyKEEN, which lays them side by side
  std::string entity_form;          ///< how the files of names were read
  std::string relation_form;
};

/// Writes model.h5 (docs/formats/model.md) into `folder`: rows in the order of the ids of the graph, in `rows`. Memory:
/// 8 bytes per name of the graph and all relation rows. Throws Error: as TensorFile and read_names do; kUsage for a
/// width that does not fit the model; kBadData for numbers that are not finite.
ImportedModel import_model(const ForeignModel& from, const graph::GraphReader& graph, kernels::RowFormat rows,
                           const std::filesystem::path& folder);

}  // namespace tessera::foreign
