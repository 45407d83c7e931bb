// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "model/row_formats.hpp"

#include "core/error.hpp"

namespace tessera::model {

using kernels::RowFormat;
using kernels::StateFormat;

RowFormat find_row_format(const std::string& name) {
  for (const RowFormat format : {RowFormat::kFp32, RowFormat::kBf16, RowFormat::kFp16, RowFormat::kInt8,
                                 RowFormat::kInt8Groups, RowFormat::kInt4Groups})
    if (name == model::name(format)) return format;
  fail(ExitStatus::kBadData, "rows in '{}' are not known", name);
}

const char* name(RowFormat format) {
  switch (format) {
    case RowFormat::kFp32: return "fp32";
    case RowFormat::kBf16: return "bf16";
    case RowFormat::kFp16: return "fp16";
    case RowFormat::kInt8: return "int8";
    case RowFormat::kInt8Groups: return "int8_groups";
    case RowFormat::kInt4Groups: return "int4_groups";
  }
  return "";
}

StateFormat find_state_format(const std::string& name) {
  for (const StateFormat format : {StateFormat::kFp32, StateFormat::kLog8})
    if (name == model::name(format)) return format;
  fail(ExitStatus::kBadData, "optimiser states in '{}' are not known", name);
}

const char* name(StateFormat format) { return format == StateFormat::kFp32 ? "fp32" : "log8"; }

}  // namespace tessera::model
