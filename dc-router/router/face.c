#include "router/face.h"

#include <string.h>

#include "router/router.h"

static void put_self(const struct router_settings *settings, struct face *face)
{
    face->brokers[face->count++] = (struct face_broker){
        .id = (int32_t)settings->router_id,
        .host = kafka_string_of(settings->advertised.host),
        .port = settings->advertised.port,
        .site = kafka_string_of(settings->site),
    };
}

void face_look(const struct router_shard *s, struct face *face)
{
    const struct router_settings *settings = s->settings;
    face->count = 0;
    if (!s->is_draining)
        put_self(settings, face);
    for (unsigned i = 0; i < settings->routers.count; i++) {
        const struct conf_router *peer = &settings->routers.entries[i];
        if (strcmp(peer->site, settings->site) != 0 || !view_has_live(&s->view, peer->router_id))
            continue;
        face->brokers[face->count++] = (struct face_broker){
            .id = (int32_t)peer->router_id,
            .host = kafka_string_of(peer->address.host),
            .port = peer->address.port,
            .site = kafka_string_of(peer->site),
        };
    }
    if (face->count == 0)
        put_self(settings, face); /* better than nobody */
}

/* Stafford's mix 13, the end of splitmix64. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    return x ^ x >> 31;
}

/* FNV-1a (Fowler, Noll, Vo), mixed. Routers of two releases must draw the same. */
static uint64_t hash_of(struct kafka_string name, int32_t partition)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (int32_t i = 0; i < name.size; i++)
        hash = (hash ^ (uint8_t)name.data[i]) * 0x100000001b3U;
    return mix(hash + (uint64_t)(uint32_t)partition * 0x9e3779b97f4a7c15U);
}

const struct face_broker *face_choose(const struct face *face, struct kafka_string name,
                                      int32_t partition)
{
    uint64_t hash = hash_of(name, partition), best = 0;
    const struct face_broker *chosen = NULL;
    for (unsigned i = 0; i < face->count; i++) {
        const struct face_broker *b = &face->brokers[i];
        uint64_t draw = mix(hash ^ mix((uint64_t)(uint32_t)b->id));
        if (chosen == NULL || draw > best || (draw == best && b->id < chosen->id)) {
            chosen = b;
            best = draw;
        }
    }
    return chosen;
}
