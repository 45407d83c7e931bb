// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "exports/export.hpp"

#include "checkpoint/model_file.hpp"
#include "core/error.hpp"
#include "core/text.hpp"
#include "exports/detail/output_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <array>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

namespace tessera::exports {
namespace {

using detail::OutputFile;
using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr std::array<std::pair<const char*, kernels::RowFormat>, 5> kServingFormats = {
    {{"fp32", kernels::RowFormat::kFp32},
     {"bf16", kernels::RowFormat::kBf16},
     {"fp16", kernels::RowFormat::kFp16},
     {"int8", kernels::RowFormat::kInt8Groups},
     {"int4", kernels::RowFormat::kInt4Groups}}};
constexpr std::uint64_t kTextBytes = 12;  // bytes of a number and the tab before it

/// "side" of a directed relation, as queries have it.
const char* side_name(bool asks_head) { return asks_head ? "head" : "tail"; }

std::vector<std::string> relation_names(const graph::GraphReader& graph) {
  std::vector<std::string> names;
  checkpoint::for_each_name(graph.relation_names(),
                            [&](std::string_view name) { names.push_back(text::tsv_field(name)); });
  return names;
}

/// Lists of names: line i of entities.tsv is the name of row i, line r of relations.tsv name and side of relation row
/// r.
void write_names(const graph::GraphReader& graph, const fs::path& folder) {
  OutputFile entities(folder / "entities.tsv");
  checkpoint::for_each_name(graph.entity_names(),
                            [&](std::string_view name) { entities.write(text::tsv_field(name) + "\n"); });
  entities.close();
  OutputFile relations(folder / "relations.tsv");
  for (const bool asks_head : {false, true})
    for (const std::string& name : relation_names(graph))
      relations.write(fmt::format("{}\t{}\n", name, side_name(asks_head)));
  relations.close();
}

void write_hdf5(const checkpoint::ScoreSum& model, const graph::GraphReader& graph, const ExportOptions& options,
                const fs::path& folder, memory::Pool& pool) {
  checkpoint::ModelFileWriter file(folder / checkpoint::kModelFile, model.shape(), model.origins(), options.rows);
  file.write_relations(model.relations(), model.core());
  file.write_names("/entities", graph.entity_names());
  file.write_names("/relations", graph.relation_names());
  model.for_each_window(pool, [&](std::span<const float> rows) { file.append(rows, options.threads); });
  file.close();
}

/// Header of NumPy's format 1.0, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html: padded so that
/// the numbers begin at a multiple of 64.
std::string npy_header(std::uint64_t rows, std::uint64_t cols) {
  constexpr std::size_t kAlignment = 64;
  constexpr std::size_t kPrefix = 10;  // magic, version, length of the rest
  std::string text = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, cols);
  text.append(kAlignment - 1 - (kPrefix + text.size()) % kAlignment, ' ');
  text += '\n';
  const auto low = static_cast<char>(text.size() % 256);
  const auto high = static_cast<char>(text.size() / 256);
  return std::string("\x93NUMPY\x01\x00", 8) + low + high + text;
}

void write_npy(const checkpoint::ScoreSum& model, const graph::GraphReader& graph, const fs::path& folder,
               memory::Pool& pool) {
  const checkpoint::ModelShape& shape = model.shape();
  OutputFile relations(folder / "relations.npy");
  relations.write(npy_header(2 * shape.relation_count, shape.relation_dim));
  relations.write(model.relations());
  relations.close();
  if (shape.operator_dim > 0) {
    OutputFile core(folder / "core.npy");
    core.write(npy_header(shape.relation_dim, shape.operator_dim));
    core.write(model.core());
    core.close();
  }
  OutputFile entities(folder / "entities.npy");
  entities.write(npy_header(shape.entity_count, shape.dim));
  model.for_each_window(pool, [&](std::span<const float> rows) { entities.write(rows); });
  entities.close();
  write_names(graph, folder);
}

/// A tensor of f32 in the header; `at` is where its numbers begin, and then where they end.
Json tensor(std::uint64_t rows, std::uint64_t cols, std::uint64_t& at) {
  const std::uint64_t first = at;
  at += rows * cols * sizeof(float);
  return {{"dtype", "F32"}, {"shape", {rows, cols}}, {"data_offsets", {first, at}}};
}

/// Header of https://huggingface.co/docs/safetensors: its length, then JSON, padded to a multiple of 8.
std::string safetensors_header(const checkpoint::ModelShape& shape) {
  std::uint64_t at = 0;
  Json header;
  header["__metadata__"] = {
      {"model", shape.name}, {"dim", std::to_string(shape.dim)}, {"graph_digest", shape.graph_digest}};
  header["relations"] = tensor(2 * shape.relation_count, shape.relation_dim, at);
  if (shape.operator_dim > 0) header["core"] = tensor(shape.relation_dim, shape.operator_dim, at);
  header["entities"] = tensor(shape.entity_count, shape.dim, at);
  std::string json = header.dump();
  json.append((8 - json.size() % 8) % 8, ' ');
  std::string length;
  for (std::size_t byte = 0; byte < 8; ++byte) length += static_cast<char>((json.size() >> (8 * byte)) & 0xFFU);
  return length + json;
}

void write_safetensors(const checkpoint::ScoreSum& model, const graph::GraphReader& graph, const fs::path& folder,
                       memory::Pool& pool) {
  OutputFile file(folder / "model.safetensors");
  file.write(safetensors_header(model.shape()));
  file.write(model.relations());
  file.write(model.core());
  model.for_each_window(pool, [&](std::span<const float> rows) { file.write(rows); });
  file.close();
  write_names(graph, folder);
}

void append_numbers(std::string& line, std::span<const float> row) {
  for (const float number : row) fmt::format_to(std::back_inserter(line), "\t{}", number);
  line += '\n';
}

void write_core_lines(const checkpoint::ScoreSum& model, const fs::path& folder) {
  const std::vector<float> core = model.core();
  const std::size_t width = model.shape().operator_dim;
  OutputFile file(folder / "core.tsv");
  for (std::size_t a = 0; a < model.shape().relation_dim; ++a) {
    std::string line = fmt::format("{}", a);
    append_numbers(line, std::span(core).subspan(a * width, width));
    file.write(line);
  }
  file.close();
}

void write_relation_lines(const checkpoint::ScoreSum& model, const graph::GraphReader& graph, const fs::path& folder) {
  const std::vector<std::string> names = relation_names(graph);
  const std::vector<float> rows = model.relations();
  const std::size_t width = model.shape().relation_dim;
  OutputFile file(folder / "relations.tsv");
  for (std::size_t r = 0; r < 2 * names.size(); ++r) {
    std::string line = fmt::format("{}\t{}", names[r % names.size()], side_name(r >= names.size()));
    append_numbers(line, std::span(rows).subspan(r * width, width));
    file.write(line);
  }
  file.close();
}

void write_tsv(const checkpoint::ScoreSum& model, const graph::GraphReader& graph, const fs::path& folder,
               memory::Pool& pool) {
  const storage::StringBlocks names = graph.entity_names();
  const std::size_t width = model.shape().dim;
  OutputFile file(folder / "entities.tsv");
  std::uint64_t entity = 0;
  std::vector<std::string> block;
  model.for_each_window(pool, [&](std::span<const float> rows) {
    for (; !rows.empty(); rows = rows.subspan(width), ++entity) {
      const std::uint64_t place = entity % storage::StringBlocks::kBlockStrings;
      if (place == 0) block = names.block(entity / storage::StringBlocks::kBlockStrings);
      std::string line = text::tsv_field(block.at(place));
      append_numbers(line, rows.first(width));
      file.write(line);
    }
  });
  file.close();
  write_relation_lines(model, graph, folder);
  if (model.shape().operator_dim > 0) write_core_lines(model, folder);
}

}  // namespace

std::vector<std::string> serving_formats() {
  std::vector<std::string> names;
  for (const auto& [name, format] : kServingFormats) names.emplace_back(name);
  return names;
}

kernels::RowFormat serving_format(const std::string& name) {
  for (const auto& [known, format] : kServingFormats)
    if (name == known) return format;
  fail(ExitStatus::kUsage, "rows in '{}' are not known; they are in one of: {}", name,
       fmt::join(serving_formats(), ", "));
}

std::uint64_t export_bytes(const checkpoint::ModelShape& shape, const ExportOptions& options) {
  const std::uint64_t others = 2 * shape.relation_count * shape.relation_dim + shape.relation_dim * shape.operator_dim;
  if (options.format == ExportFormat::kTsv) return (shape.entity_count * shape.dim + others) * kTextBytes;
  return shape.entity_count * kernels::row_bytes(options.rows, shape.dim) + others * sizeof(float);
}

void export_model(const checkpoint::ScoreSum& model, const graph::GraphReader& graph, const ExportOptions& options,
                  const fs::path& folder, memory::Pool& pool) {
  switch (options.format) {
    case ExportFormat::kHdf5: return write_hdf5(model, graph, options, folder, pool);
    case ExportFormat::kNpy: return write_npy(model, graph, folder, pool);
    case ExportFormat::kTsv: return write_tsv(model, graph, folder, pool);
    case ExportFormat::kSafetensors: return write_safetensors(model, graph, folder, pool);
  }
}

}  // namespace tessera::exports
