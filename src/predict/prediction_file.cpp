// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/prediction_file.hpp"

#include "core/error.hpp"
#include "storage/checksum.hpp"

#include <functional>
#include <limits>
#include <span>
#include <utility>

namespace tessera::predict {
namespace {

using storage::DatasetWriter;

constexpr const char* kKind = "predictions";
constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kFlushQuestions = 1024;
constexpr std::uint64_t kNoEntity = ~std::uint64_t{0};

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

/// The path, once its folder is known to be there.
std::filesystem::path in_folder(std::filesystem::path file) {
  if (!std::filesystem::is_directory(folder_of(file)))
    fail(ExitStatus::kMissingInput, "folder '{}' for the predictions does not exist", folder_of(file).string());
  return file;
}

/// A dataset and the values that are appended next.
template <class T>
struct Column {
  DatasetWriter writer;
  std::vector<T> values;
  void flush() {
    writer.append(std::span<const T>(values));
    values.clear();
  }
};

template <class T>
Column<T> column(storage::FileWriter& file, const char* path, const std::vector<std::uint64_t>& shape,
                 const char* meaning) {
  return {file.dataset(path, storage::element_type<T>(), shape, {meaning}), {}};
}

/// Ids that occur, with their names as bytes and offsets.
void write_name_table(storage::FileWriter& file, const std::string& group, const std::vector<bool>& occurs,
                      const std::function<const std::string&(std::uint64_t)>& name_of) {
  std::vector<std::uint64_t> ids;
  std::vector<std::uint64_t> offsets(1, 0);
  for (std::uint64_t id = 0; id < occurs.size(); ++id) {
    if (!occurs[id]) continue;
    ids.push_back(id);
    offsets.push_back(offsets.back() + name_of(id).size());
  }
  file.write<std::uint64_t>(group + "/id", ids, {"id in graph.h5, ascending"});
  file.write<std::uint64_t>(group + "/name_offsets", offsets,
                            {"start of each name in name_bytes, and the end", "byte"});
  DatasetWriter bytes = file.dataset(group + "/name_bytes", storage::ElementType::kU8, {offsets.back()},
                                     {"names, UTF-8, one after the other", "byte"});
  for (const std::uint64_t id : ids) {
    const std::string& name = name_of(id);
    bytes.append(std::span<const char>(name));
  }
  bytes.finish();
}

}  // namespace

struct PredictionFile::Columns {
  Columns(storage::FileWriter& file, std::uint64_t questions, std::uint64_t k)
      : entity(
            column<std::uint64_t>(file, "/queries/entity", {questions}, "id in graph.h5 of the entity that was given")),
        relation(column<std::uint32_t>(file, "/queries/relation", {questions}, "relation id in graph.h5")),
        side(column<std::uint8_t>(
            file, "/queries/side", {questions},
            "what was asked for: 0 the tail, (entity, r, ?); 1 the head, (?, r, entity); 2 the relation, "
            "(entity, ?, other)")),
        other(column<std::uint64_t>(file, "/queries/other", {questions},
                                    "id in graph.h5 of the tail where relations were asked for; else 2^64 - 1")),
        answer_count(column<std::uint32_t>(file, "/queries/answers", {questions}, "answers in the row below")),
        answer(
            column<std::uint64_t>(file, "/answers/entity", {questions, k},
                                  "id in graph.h5 of the answer of rank column + 1, a relation where these were asked "
                                  "for; 2^64 - 1 past the last")),
        score(column<float>(file, "/answers/score", {questions, k}, "score; NaN past the last")),
        known_in(column<std::uint8_t>(file, "/answers/known_in", {questions, k},
                                      "split that has the triple: 0 none, 1 train, 2 valid, 3 test")) {}

  template <class Visit>
  void for_each(const Visit& visit) {
    visit(entity);
    visit(relation);
    visit(side);
    visit(other);
    visit(answer_count);
    visit(answer);
    visit(score);
    visit(known_in);
  }

  Column<std::uint64_t> entity;
  Column<std::uint32_t> relation;
  Column<std::uint8_t> side;
  Column<std::uint64_t> other;
  Column<std::uint32_t> answer_count;
  Column<std::uint64_t> answer;
  Column<float> score;
  Column<std::uint8_t> known_in;
};

PredictionFile::PredictionFile(std::filesystem::path file, const Names& names, std::uint64_t question_count,
                               std::uint64_t most_answers, const ShownAttributes* shown)
    : path_(in_folder(std::move(file))),
      names_(names),
      shown_(shown),
      most_answers_(most_answers),
      entity_occurs_(names.entity_count()),
      relation_occurs_(names.relation_count()),
      atomic_(path_),
      file_(atomic_.temporary(), kKind, kVersion),
      columns_(std::make_unique<Columns>(file_, question_count, most_answers)) {
  storage::require_space(folder_of(path_), question_count * (25 + most_answers * 13));
}

PredictionFile::~PredictionFile() = default;

void PredictionFile::append(const Prediction& prediction) {
  Columns& columns = *columns_;
  columns.entity.values.push_back(prediction.question.entity);
  columns.relation.values.push_back(prediction.question.relation);
  const bool asks_relation = prediction.question.side == Side::kRelation;
  columns.side.values.push_back(static_cast<std::uint8_t>(prediction.question.side));
  columns.other.values.push_back(asks_relation ? prediction.question.other : kNoEntity);
  columns.answer_count.values.push_back(static_cast<std::uint32_t>(prediction.answers.size()));
  entity_occurs_[prediction.question.entity] = true;
  if (asks_relation)
    entity_occurs_[prediction.question.other] = true;
  else
    relation_occurs_[prediction.question.relation] = true;
  for (std::size_t i = 0; i < most_answers_; ++i) {
    const bool is_answer = i < prediction.answers.size();
    const Answer answer = is_answer ? prediction.answers[i]
                                    : Answer{kNoEntity, std::numeric_limits<float>::quiet_NaN(), KnownIn::kNowhere};
    columns.answer.values.push_back(answer.entity);
    columns.score.values.push_back(answer.score);
    columns.known_in.values.push_back(static_cast<std::uint8_t>(answer.known_in));
    if (is_answer) (asks_relation ? relation_occurs_ : entity_occurs_)[answer.entity] = true;
  }
  if (columns.entity.values.size() >= kFlushQuestions) flush();
}

void PredictionFile::flush() {
  columns_->for_each([](auto& column) { column.flush(); });
}

void PredictionFile::write_names() {
  write_name_table(file_, "/entities", entity_occurs_,
                   [&](std::uint64_t id) -> const std::string& { return names_.entity(id); });
  write_name_table(file_, "/relations", relation_occurs_,
                   [&](std::uint64_t id) -> const std::string& { return names_.relation(id); });
}

void PredictionFile::commit(const PredictionOrigin& origin) {
  flush();
  columns_->for_each([](auto& column) { column.writer.finish(); });
  write_names();
  if (shown_ != nullptr) shown_->write(file_, entity_occurs_);
  if (!origin.condition.empty()) file_.attribute("/", "condition", origin.condition);
  file_.attribute("/", "k", most_answers_);
  file_.attribute("/", "known_answers", std::string(origin.known == KnownAnswers::kMark ? "marked" : "left out"));
  file_.attribute("/", "model", origin.model);
  file_.attribute("/", "dim", origin.dim);
  file_.attribute("/", "epoch", origin.epoch);
  file_.attribute("/", "graph_digest", origin.graph_digest);
  file_.close();
  storage::commit_listed(atomic_);
}

}  // namespace tessera::predict
