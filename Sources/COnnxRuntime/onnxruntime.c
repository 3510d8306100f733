#include "fp8c_onnxruntime.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* Positions in the table, counted in the public declaration and exercised by the tests. */
enum slot {
  GET_ERROR_MESSAGE = 2,
  CREATE_ENV = 3,
  CREATE_SESSION_FROM_ARRAY = 8,
  RUN = 9,
  CREATE_SESSION_OPTIONS = 10,
  SET_LOG_SEVERITY = 22,
  SET_OPTIMIZATION_LEVEL = 23,
  CREATE_TENSOR = 49,
  IS_TENSOR = 50,
  GET_TENSOR_DATA = 51,
  GET_ELEMENT_TYPE = 60,
  GET_RANK = 61,
  GET_DIMENSIONS = 62,
  GET_ELEMENT_COUNT = 64,
  GET_TYPE_AND_SHAPE = 65,
  CREATE_CPU_MEMORY_INFO = 69,
  RELEASE_ENV = 92,
  RELEASE_STATUS = 93,
  RELEASE_MEMORY_INFO = 94,
  RELEASE_SESSION = 95,
  RELEASE_VALUE = 96,
  RELEASE_TYPE_AND_SHAPE = 99,
  RELEASE_SESSION_OPTIONS = 100,
  ADD_SESSION_CONFIG_ENTRY = 130,
};

enum { api_version = 5, log_fatal = 4, optimize_nothing = 0, optimize_all = 99 };

typedef void *status;
typedef const void *const *table;

struct base {
  table (*get_api)(uint32_t version);
  const char *(*version)(void);
};

struct fp8c_runtime {
  void *library;
  table api;
  const char *version;
  void *environment;
  void *memory;
};

static char *copy(const char *text) {
  char *result = malloc(strlen(text) + 1);
  if (result) strcpy(result, text);
  return result;
}

/* Turns a status into a text and releases it; 0 where there was no error. */
static int failed(table api, status result, char **message) {
  if (!result) return 0;
  const char *(*get)(status) = (const char *(*)(status))api[GET_ERROR_MESSAGE];
  void (*release)(status) = (void (*)(status))api[RELEASE_STATUS];
  if (message) *message = copy(get(result));
  release(result);
  return 1;
}

fp8c_runtime *fp8c_runtime_load(const char *path, char **message) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    *message = copy(dlerror());
    return NULL;
  }
  const struct base *(*get_base)(void) =
      (const struct base *(*)(void))dlsym(library, "OrtGetApiBase");
  const struct base *base = get_base ? get_base() : NULL;
  table api = base ? base->get_api(api_version) : NULL;
  fp8c_runtime *runtime = api ? calloc(1, sizeof *runtime) : NULL;
  if (!runtime) {
    *message = copy("it is no ONNX Runtime that offers API version 5");
    dlclose(library);
    return NULL;
  }
  runtime->library = library;
  runtime->api = api;
  runtime->version = base->version();
  status (*create)(int, const char *, void **) =
      (status(*)(int, const char *, void **))api[CREATE_ENV];
  status (*memory)(int, int, void **) =
      (status(*)(int, int, void **))api[CREATE_CPU_MEMORY_INFO];
  if (failed(api, create(log_fatal, "fp8c", &runtime->environment), message) ||
      failed(api, memory(1, 0, &runtime->memory), message)) {
    fp8c_runtime_unload(runtime);
    return NULL;
  }
  return runtime;
}

static void release(table api, enum slot slot, void *object) {
  if (object) ((void (*)(void *))api[slot])(object);
}

/* The library stays loaded: its threads may still run code of it. */
void fp8c_runtime_unload(fp8c_runtime *runtime) {
  release(runtime->api, RELEASE_MEMORY_INFO, runtime->memory);
  release(runtime->api, RELEASE_ENV, runtime->environment);
  free(runtime);
}

void fp8c_runtime_free_text(char *text) { free(text); }

const char *fp8c_runtime_version(const fp8c_runtime *runtime) { return runtime->version; }

fp8c_session *fp8c_session_create(fp8c_runtime *runtime, const void *model, size_t size,
                                  const char *folder, int optimize, char **message) {
  table api = runtime->api;
  status (*create_options)(void **) = (status(*)(void **))api[CREATE_SESSION_OPTIONS];
  status (*set_level)(void *, int) = (status(*)(void *, int))api[SET_OPTIMIZATION_LEVEL];
  status (*set_log)(void *, int) = (status(*)(void *, int))api[SET_LOG_SEVERITY];
  status (*add_entry)(void *, const char *, const char *) =
      (status(*)(void *, const char *, const char *))api[ADD_SESSION_CONFIG_ENTRY];
  status (*create)(void *, const void *, size_t, void *, void **) =
      (status(*)(void *, const void *, size_t, void *, void **))api[CREATE_SESSION_FROM_ARRAY];
  void *options = NULL;
  void *session = NULL;
  if (failed(api, create_options(&options), message)) return NULL;
  if (!failed(api, set_level(options, optimize ? optimize_all : optimize_nothing), message) &&
      !failed(api, set_log(options, log_fatal), message) &&
      !(folder &&
        failed(api,
               add_entry(options, "session.model_external_initializers_file_folder_path", folder),
               message))) {
    if (failed(api, create(runtime->environment, model, size, options, &session), message))
      session = NULL;
  }
  release(api, RELEASE_SESSION_OPTIONS, options);
  return session;
}

void fp8c_session_free(fp8c_runtime *runtime, fp8c_session *session) {
  release(runtime->api, RELEASE_SESSION, session);
}

fp8c_value *fp8c_value_create(fp8c_runtime *runtime, void *bytes, size_t size,
                              const int64_t *shape, size_t rank, int32_t type, char **message) {
  status (*create)(void *, void *, size_t, const int64_t *, size_t, int, void **) =
      (status(*)(void *, void *, size_t, const int64_t *, size_t, int,
                 void **))runtime->api[CREATE_TENSOR];
  void *value = NULL;
  if (failed(runtime->api, create(runtime->memory, bytes, size, shape, rank, type, &value),
             message))
    return NULL;
  return value;
}

void fp8c_value_free(fp8c_runtime *runtime, fp8c_value *value) {
  release(runtime->api, RELEASE_VALUE, value);
}

int fp8c_session_run(fp8c_runtime *runtime, fp8c_session *session, const char *const *input_names,
                     const fp8c_value *const *inputs, size_t input_count,
                     const char *const *output_names, size_t output_count, fp8c_value **outputs,
                     char **message) {
  status (*run)(void *, void *, const char *const *, const fp8c_value *const *, size_t,
                const char *const *, size_t, fp8c_value **) =
      (status(*)(void *, void *, const char *const *, const fp8c_value *const *, size_t,
                 const char *const *, size_t, fp8c_value **))runtime->api[RUN];
  return failed(runtime->api,
                run(session, NULL, input_names, inputs, input_count, output_names, output_count,
                    outputs),
                message)
             ? -1
             : 0;
}

int fp8c_value_describe(fp8c_runtime *runtime, fp8c_value *value, int32_t *type, size_t *rank,
                        size_t *count, void **bytes) {
  table api = runtime->api;
  status (*is_tensor)(void *, int *) = (status(*)(void *, int *))api[IS_TENSOR];
  status (*get_info)(void *, void **) = (status(*)(void *, void **))api[GET_TYPE_AND_SHAPE];
  status (*get_type)(void *, int *) = (status(*)(void *, int *))api[GET_ELEMENT_TYPE];
  status (*get_rank)(void *, size_t *) = (status(*)(void *, size_t *))api[GET_RANK];
  status (*get_count)(void *, size_t *) = (status(*)(void *, size_t *))api[GET_ELEMENT_COUNT];
  status (*get_data)(void *, void **) = (status(*)(void *, void **))api[GET_TENSOR_DATA];
  int answer = 0;
  void *info = NULL;
  if (failed(api, is_tensor(value, &answer), NULL) || !answer) return -1;
  if (failed(api, get_info(value, &info), NULL)) return -1;
  int element = 0;
  int wrong = failed(api, get_type(info, &element), NULL) ||
              failed(api, get_rank(info, rank), NULL) ||
              failed(api, get_count(info, count), NULL) ||
              /* 8 is the type of strings, which have no bytes. */
              (element != 8 && failed(api, get_data(value, bytes), NULL));
  *type = element;
  release(api, RELEASE_TYPE_AND_SHAPE, info);
  return wrong ? -1 : 0;
}

int fp8c_value_shape(fp8c_runtime *runtime, fp8c_value *value, int64_t *shape, size_t rank) {
  table api = runtime->api;
  status (*get_info)(void *, void **) = (status(*)(void *, void **))api[GET_TYPE_AND_SHAPE];
  status (*get)(void *, int64_t *, size_t) = (status(*)(void *, int64_t *, size_t))api[GET_DIMENSIONS];
  void *info = NULL;
  if (failed(api, get_info(value, &info), NULL)) return -1;
  int wrong = failed(api, get(info, shape, rank), NULL);
  release(api, RELEASE_TYPE_AND_SHAPE, info);
  return wrong ? -1 : 0;
}
