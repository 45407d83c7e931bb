// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/graph_parts.hpp"
#include "cli/option_checks.hpp"
#include "core/job.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "exports/export.hpp"
#include "foreign/import_model.hpp"
#include "foreign/import_ultra.hpp"
#include "graph/graph_reader.hpp"
#include "graph/partition_manifest.hpp"
#include "model/scorer.hpp"
#include "propagation/weights.hpp"
#include "storage/atomic.hpp"
#include "storage/checksum.hpp"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

namespace tessera::cli {
namespace {

struct Options {
  std::string graph;
  foreign::ForeignModel from;
  std::string ultra;
  std::string layout = "halves";
  std::string inverse = "halves";
  std::string rows = "fp32";
  std::uint64_t parts = 0;
  std::string output;
};

/// The parts of the graph: as asked for, else the fewest that it has.
std::uint64_t find_parts(const Options& options) {
  if (options.parts > 0) return options.parts;
  const auto found = fewest_parts(options.graph);
  if (!found)
    fail(ExitStatus::kMissingInput, "graph '{}' has no partition; 'tessera partition' makes one", options.graph);
  return *found;
}

Job job_of(const Options& options, const std::string& model, std::uint64_t dim) {
  Job job;
  job.data.graph = options.graph;
  job.data.parts = find_parts(options);
  job.model.name = model;
  job.model.dim = dim;
  job.run.folder = options.output;
  return with_absolute_paths(job);
}

void say_left_out(std::uint64_t count, const char* what, const std::string& file) {
  if (count > 0)
    log::warning("{} {} of '{}' are not in the graph and were left out", text::with_thousands(count), what, file);
}

std::string inverses_in_words(const Options& options, const foreign::ImportedModel& model) {
  if (model.inverse_rows == 0) return "made from the rows of the relations";
  return options.inverse == "halves"
             ? fmt::format("rows of their own: row r + {} is the inverse of row r (--inverse halves)",
                           model.inverse_rows)
             : "rows of their own: row 2 r + 1 is the inverse of row 2 r (--inverse interleaved)";
}

void print(const Options& options, const foreign::ImportedModel& model) {
  std::printf("wrote       %s\n", options.output.c_str());
  std::printf("model       %s, dim %s, %s entities, %s relations\n", options.from.model.c_str(),
              text::with_thousands(model.dim).c_str(), text::with_thousands(model.entities).c_str(),
              text::with_thousands(model.relations).c_str());
  std::printf("inverses    %s\n", inverses_in_words(options, model).c_str());
  std::printf("names       entities: %s; relations: %s\n", model.entity_form.c_str(), model.relation_form.c_str());
}

void check_options(const Options& options) {
  const foreign::ForeignModel& from = options.from;
  bool has_all = true;
  bool has_any = false;
  for (const std::string* word :
       {&from.model, &from.entities, &from.relations, &from.entity_names, &from.relation_names}) {
    has_all = has_all && !word->empty();
    has_any = has_any || !word->empty();
  }
  if (options.ultra.empty() ? !has_all : has_any)
    fail(ExitStatus::kUsage,
         "give --model, --entities, --relations, --entity-names and --relation-names for vectors, or --ultra alone for "
         "weights of ULTRA");
}

/// Lists and commits the files of the model.
void commit(storage::AtomicFolder& folder, const Job& job, const char* file) {
  storage::write_text(folder.temporary() / kJobFile, to_toml(job));
  auto checksums = storage::FolderChecksums::load(folder.temporary());
  checksums.record(file);
  checksums.commit();
  folder.commit();
}

void import_ultra(const Options& options) {
  const graph::GraphReader graph(options.graph);
  (void)find_parts(options);
  storage::AtomicFolder folder(options.output);
  const foreign::ImportedUltra model = foreign::import_ultra(options.ultra, folder.temporary());
  commit(folder, job_of(options, propagation::kUltraName, model.dim), propagation::kUltraFile);
  std::printf("wrote       %s\n", options.output.c_str());
  std::printf("model       ultra, dim %s, %s numbers\n", text::with_thousands(model.dim).c_str(),
              text::with_thousands(model.numbers).c_str());
  std::printf("graph       %s: messages go along its training triples\n", options.graph.c_str());
}

void import_vectors(const Options& options) {
  foreign::ForeignModel from = options.from;
  from.parts = options.layout == "halves" ? foreign::Parts::kHalves : foreign::Parts::kInterleaved;
  from.inverses = options.inverse == "halves" ? foreign::Inverses::kHalves : foreign::Inverses::kInterleaved;
  const graph::GraphReader graph(options.graph);
  (void)find_parts(options);
  storage::AtomicFolder folder(options.output);
  const foreign::ImportedModel model =
      foreign::import_model(from, graph, exports::serving_format(options.rows), folder.temporary());
  commit(folder, job_of(options, from.model, model.dim), "model.h5");
  if (model.may_be_interleaved)
    log::warning(
        "'{}' looks like a file of PyKEEN, whose inverse relations lie beside their relations: then say --inverse "
        "interleaved",
        from.relation_names);
  say_left_out(model.entities_left_out, "entities", from.entity_names);
  say_left_out(model.relations_left_out, "relations", from.relation_names);
  print(options, model);
}

void import_model(const Options& options) {
  check_options(options);
  if (options.ultra.empty())
    import_vectors(options);
  else
    import_ultra(options);
}

void add_layout(const Parser& parser, Options& options) {
  parser
      .add("--layout", options.layout,
           "Of real arrays of complex, rotate and quate: halves (real parts, then imaginary ones) or interleaved")
      .check(one_of({"halves", "interleaved"}))
      .show_default();
  parser
      .add("--inverse", options.inverse,
           "Of 2 R relation rows: halves (row r + R is the inverse of r) or interleaved (rows 2 r and 2 r + 1)")
      .check(one_of({"halves", "interleaved"}))
      .show_default();
}

}  // namespace

Command add_import_model(const Parser& parser) {
  const auto options = std::make_shared<Options>();
  parser.add("graph", options->graph, "Graph folder that the model is about; it has a partition").required();
  parser
      .add("--ultra", options->ultra,
           "Weights of ULTRA, which answers on graphs that it has not seen (docs/user/propagation.md); without vectors")
      .type_name("FILE.safetensors");
  parser.add("--model", options->from.model, "The formula of vectors (docs/user/models.md)")
      .check(one_of(model::scorer_names()));
  parser.add("--entities", options->from.entities, "Entity rows: FILE.npy or FILE.safetensors:TENSOR");
  parser.add("--relations", options->from.relations, "Relation rows, likewise");
  parser.add("--entity-names", options->from.entity_names,
             "Names of the entity rows: a name per line, or an id and a name with a tab between; plain, gz or zstd");
  parser.add("--relation-names", options->from.relation_names, "Names of the relation rows, likewise");
  add_layout(parser, *options);
  parser.add("--rows", options->rows, "Format of the entity rows that are written: fp32, bf16, fp16, int8 or int4")
      .check(one_of(exports::serving_formats()))
      .show_default();
  parser.add("--parts", options->parts, "Partition of the graph that evaluate and predict use (default: the fewest)")
      .check(whole_number(1));
  parser.add("-o,--output", options->output, "Model folder to write; must not exist").required();
  parser.epilogue(
      "Examples:\n"
      "  tessera import-model data.kg --ultra ultra_3g.safetensors -o MODEL\n"
      "  tessera import-model data.kg --model complex --entities e.npy --relations r.npy \\\n"
      "          --entity-names entity_to_id.tsv.gz --relation-names relation_to_id.tsv.gz -o MODEL\n"
      "  tessera evaluate MODEL\n");
  return {[options](comm::Communicator&) { import_model(*options); }};
}

}  // namespace tessera::cli
