-- Values of personal fields that this program does not know, or knows with another type.

-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE parcours.contacts ADD COLUMN IF NOT EXISTS unknown JSON(max_dynamic_paths = 64) COMMENT 'Values of personal fields that the program did not know when the event came, or knew with another type, by path; an object without names when there are none.' AFTER title;
