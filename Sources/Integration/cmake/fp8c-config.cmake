# Finds fp8c: the imported executable fp8c::fp8c and the function fp8c_add_model.
#
#   find_package(fp8c REQUIRED)
#   fp8c_add_model(digits
#     MODEL digits.onnx OUTPUT digits.fp8.onnx
#     CONFIG fp8.json CALIBRATION images.npz)
#
# MODEL, CONFIG, CALIBRATION and MEASUREMENT are relative to the source folder, OUTPUT to the binary folder.
# MEASUREMENT is a measurement file, NAME_hooks_maxabs.json; scale files are written beside a copy of it in
# the binary folder. What else fp8c takes follows ARGS.
# The target has the property FP8C_OUTPUT, the path of the model. A model is compiled again where a file
# that it was made from has changed, data files of its weights included.

get_filename_component(_fp8c_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET fp8c::fp8c)
  add_executable(fp8c::fp8c IMPORTED)
  set_target_properties(fp8c::fp8c PROPERTIES IMPORTED_LOCATION "${_fp8c_prefix}/bin/fp8c")
endif()
set(fp8c_SCHEMA_DIR "${_fp8c_prefix}/share/fp8c/schemas")
if(NOT EXISTS "${_fp8c_prefix}/bin/fp8c")
  set(fp8c_FOUND FALSE)
  set(fp8c_NOT_FOUND_MESSAGE "${_fp8c_prefix}/bin/fp8c is missing")
endif()
unset(_fp8c_prefix)

function(fp8c_add_model target)
  # Paths of dependency files are then understood by every generator that has them.
  cmake_policy(SET CMP0116 NEW)
  cmake_parse_arguments(PARSE_ARGV 1 FP8C "" "MODEL;OUTPUT;CONFIG;MEASUREMENT" "CALIBRATION;ARGS")
  if(FP8C_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "fp8c_add_model: unknown arguments ${FP8C_UNPARSED_ARGUMENTS}")
  endif()
  foreach(needed MODEL OUTPUT)
    if(NOT FP8C_${needed})
      message(FATAL_ERROR "fp8c_add_model: ${needed} is missing")
    endif()
  endforeach()
  get_filename_component(model "${FP8C_MODEL}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
  get_filename_component(output "${FP8C_OUTPUT}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_BINARY_DIR}")
  set(arguments)
  set(copy)
  set(inputs "${model}")
  if(FP8C_CONFIG)
    get_filename_component(config "${FP8C_CONFIG}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
    list(APPEND arguments --config "${config}")
    list(APPEND inputs "${config}")
  endif()
  if(FP8C_MEASUREMENT)
    get_filename_component(
      measurement "${FP8C_MEASUREMENT}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
    if(NOT measurement MATCHES "_hooks_maxabs(_per_channel)?\\.json$")
      message(FATAL_ERROR "fp8c_add_model: MEASUREMENT ${FP8C_MEASUREMENT} is no NAME_hooks_maxabs.json")
    endif()
    get_filename_component(name "${measurement}" NAME)
    string(REGEX REPLACE "_hooks_maxabs.*" "" stats "${name}")
    set(copy COMMAND "${CMAKE_COMMAND}" -E make_directory "${output}.measured"
             COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${measurement}" "${output}.measured")
    list(APPEND arguments --dump-stats-path "${output}.measured/${stats}")
    list(APPEND inputs "${measurement}")
  elseif(FP8C_CALIBRATION)
    list(APPEND arguments --dump-stats-path "${output}.measured/measure")
  endif()
  foreach(batch IN LISTS FP8C_CALIBRATION)
    get_filename_component(batch "${batch}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
    list(APPEND arguments --calibration "${batch}")
    if(NOT IS_DIRECTORY "${batch}")
      list(APPEND inputs "${batch}")
    endif()
  endforeach()
  string(REGEX REPLACE "\\.onnx$" "" stem "${output}")
  # An output of unchanged content keeps its time, which Make would take for one that is due.
  set(touch)
  if(NOT CMAKE_GENERATOR MATCHES "Ninja")
    set(touch COMMAND "${CMAKE_COMMAND}" -E touch "${output}")
  endif()
  add_custom_command(
    OUTPUT "${output}"
    BYPRODUCTS "${stem}.scales.json"
    ${copy}
    COMMAND fp8c::fp8c compile "${model}" -o "${output}" ${arguments} --depfile "${output}.d"
            ${FP8C_ARGS}
    ${touch}
    DEPENDS ${inputs} fp8c::fp8c
    DEPFILE "${output}.d"
    COMMENT "Compiling ${FP8C_MODEL} into FP8"
    VERBATIM)
  add_custom_target(${target} ALL DEPENDS "${output}")
  set_target_properties(${target} PROPERTIES FP8C_OUTPUT "${output}")
endfunction()
